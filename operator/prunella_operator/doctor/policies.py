"""Doctor checks of policies: that they are valid, select something, and name Secrets that work."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prunella_operator.doctor.check import Check
from prunella_operator.integrations.notifiers.services import find_service
from prunella_operator.integrations.tickets.factory import ticket_system
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Api, Object, list_items
from prunella_operator.kubernetes.secrets import read_secret, required
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.policies.kinds import CLUSTER, NAMESPACED
from prunella_workflows.model.errors import Forbidden, NotFound, PrunellaError
from prunella_workflows.model.label_selector import LabelSelector
from prunella_workflows.model.labels import CHANNEL, TICKETS
from prunella_workflows.model.policy import ClusterHealingPolicySpec, HealingPolicySpec
from prunella_workflows.model.policy_escalation import EscalationRule

_KINDS = ("deployments", "statefulsets", "daemonsets")


@dataclass(frozen=True)
class Policy:
    """A valid policy. `home` is the namespace of the Secrets it names."""

    title: str
    home: str
    spec: ClusterHealingPolicySpec | HealingPolicySpec


def check_policies(api: Api, namespaces: tuple[str, ...]) -> Iterator[Check]:
    """Check each policy, and each Secret that policies name. Having no policy is fine."""
    policies: list[Policy] = []
    try:
        raw = [(item, api.namespace) for item in list_items(api, paths.policies())]
        for path in map(paths.policies, namespaces) if namespaces else (paths.all_policies(),):
            raw += [(item, item["metadata"]["namespace"]) for item in list_items(api, path)]
        for item, home in raw:
            policy = _parse(item, home)
            if isinstance(policy, Check):
                yield policy
                continue
            policies.append(policy)
            yield _check_selection(api, policy)
    except NotFound:
        return  # no CRDs: another check reports that
    except PrunellaError as error:
        yield Check("Policies", passed=False, message=str(error), fix="see the API server's message")
    yield from check_secrets(api, policies)


def check_secrets(api: Api, policies: Iterable[Policy]) -> Iterator[Check]:
    """Check that each Secret named by the policies exists and is valid. Sends nothing."""
    named: dict[tuple[str, str], str] = {}
    for policy in policies:
        for kind, name in _secrets(policy.spec):
            named.setdefault((f"{policy.home}/{name}", kind), policy.title)
    for (address, kind), title in named.items():
        yield _check_secret(api, address, kind, title)


def _parse(raw: Object, home: str) -> Policy | Check:
    name = raw["metadata"]["name"]
    cluster = "namespace" not in raw["metadata"]
    title = f"ClusterHealingPolicy {name}" if cluster else f"HealingPolicy {home}/{name}"
    model, kind = (ClusterHealingPolicySpec, CLUSTER) if cluster else (HealingPolicySpec, NAMESPACED)
    spec = raw.get("spec") or {}
    if error := next(kind.find_errors(spec), ""):
        fix = "correct it: incidents end as Failed if a policy that applies to them cannot be read"
        return Check(title, passed=False, message=error, fix=fix)
    return Policy(title, home, model.model_validate(spec))


def _check_selection(api: Api, policy: Policy) -> Check:
    spec = policy.spec
    if isinstance(spec, ClusterHealingPolicySpec):
        count = _count_matches(list_items(api, "/api/v1/namespaces"), spec.namespace_selector)
        noun, resources = "namespaces", "namespaces"
    else:
        home = policy.home
        items = (item for plural in _KINDS for item in list_items(api, f"/apis/apps/v1/namespaces/{home}/{plural}"))
        count = _count_matches(items, spec.selector)
        noun, resources = "workloads", f"{','.join(_KINDS)} -n {home}"
    fix = f"compare the labels: kubectl get {resources} --show-labels"
    return Check(policy.title, passed=count > 0, message=f"selects {count} {noun}", fix=fix)


def _count_matches(objects: Iterable[Object], selector: LabelSelector | None) -> int:
    labels = (obj["metadata"].get("labels") or {} for obj in objects)
    return sum(selector is None or matches(selector.to_object(), label) for label in labels)


def _secrets(spec: ClusterHealingPolicySpec | HealingPolicySpec) -> Iterator[tuple[str, str]]:
    """Type and name of each Secret that a policy names."""
    yield from _rule_secrets(spec.escalation)
    if isinstance(spec, ClusterHealingPolicySpec):
        alerts = spec.alerts
        yield from _rule_secrets(EscalationRule(channels=alerts.channels, ticket=alerts.ticket))
        for rule in alerts.rules or ():
            yield from ((CHANNEL, channel) for channel in rule.channels or ())


def _rule_secrets(rule: EscalationRule) -> Iterator[tuple[str, str]]:
    yield from ((CHANNEL, channel) for level in rule.ladder for channel in level.channels)
    if rule.ticket:
        yield TICKETS, rule.ticket


def _check_secret(api: Api, address: str, kind: str, title: str) -> Check:
    name = f"Channel {address}" if kind == CHANNEL else f"Tickets {address}"
    try:
        values = read_secret(api, address, kind)
        if kind == CHANNEL:
            message = f"channel of type {find_service(required(address, values, 'url')).name}"
        else:
            message = f"ticket system of type {ticket_system(address, values).kind}"
    except PrunellaError as error:
        role = " and the Role" if isinstance(error, Forbidden) else ""
        fix = f"see docs/notifications.md for how to create it{role}"
        return Check(name, passed=False, message=f"{error} (named by {title})", fix=fix)
    return Check(name, passed=True, message=message)
