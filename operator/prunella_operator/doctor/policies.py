"""`prunella doctor` on policies: can they be read, is there anything they are for, and do their channels work?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from prunella_operator.doctor.check import Check
from prunella_operator.integrations.notifiers.services import find_service
from prunella_operator.integrations.tickets.factory import ticket_system
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Api, Object
from prunella_operator.kubernetes.secrets import read_secret, required
from prunella_workflows.model.errors import Forbidden, NotFound, PrunellaError
from prunella_workflows.model.labels import CHANNEL, TICKETS
from prunella_workflows.model.policy import ClusterHealingPolicySpec, EscalationRule, HealingPolicySpec, LabelSelector

_KINDS = ("deployments", "statefulsets", "daemonsets")
_SELECT = "see which labels they have: kubectl get {what} --show-labels"


@dataclass(frozen=True)
class Policy:
    """One policy as it was found. `home` is the namespace of the Secrets that it names."""

    title: str
    home: str
    spec: ClusterHealingPolicySpec | HealingPolicySpec


def check_policies(api: Api, namespaces: tuple[str, ...]) -> Iterator[Check]:
    """A check for each policy, and one for each Secret that policies name. No policy at all is fine."""
    found: list[Policy] = []
    try:
        raw = [(item, api.namespace) for item in _items(api, paths.policies())]
        for path in map(paths.policies, namespaces) if namespaces else (paths.all_policies(),):
            raw += [(item, item["metadata"]["namespace"]) for item in _items(api, path)]
        for one, home in raw:
            policy = _read(one, home)
            if isinstance(policy, Check):
                yield policy
                continue
            found.append(policy)
            yield _check_use(api, policy)
    except NotFound:
        return  # no CRDs: another check has said so
    except PrunellaError as error:
        yield Check("Policies", passed=False, what=str(error), todo="see the API server's message")
    yield from check_secrets(api, found)


def check_secrets(api: Api, policies: Iterable[Policy]) -> Iterator[Check]:
    """Whether each Secret that the policies name is there and makes sense. Nothing is sent to anybody."""
    named: dict[tuple[str, str], str] = {}
    for policy in policies:
        for kind, name in _secrets(policy.spec):
            named.setdefault((f"{policy.home}/{name}", kind), policy.title)
    for (address, kind), title in named.items():
        yield _check_secret(api, address, kind, title)


def _read(raw: Object, home: str) -> Policy | Check:
    name = raw["metadata"]["name"]
    cluster = "namespace" not in raw["metadata"]
    title = f"ClusterHealingPolicy {name}" if cluster else f"HealingPolicy {home}/{name}"
    model = ClusterHealingPolicySpec if cluster else HealingPolicySpec
    try:
        return Policy(title, home, model.model_validate(raw.get("spec") or {}))
    except ValidationError as error:
        first = error.errors()[0]
        what = f"spec.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        return Check(title, passed=False, what=what, todo="mend it: incidents that it is for end as Failed")


def _check_use(api: Api, policy: Policy) -> Check:
    spec = policy.spec
    if isinstance(spec, ClusterHealingPolicySpec):
        spaces = _items(api, "/api/v1/namespaces")
        number, what, todo = _matching(spaces, spec.namespace_selector), "namespaces", _SELECT.format(what="namespaces")
    else:
        there = [item for plural in _KINDS for item in _items(api, f"/apis/apps/v1/namespaces/{policy.home}/{plural}")]
        number, what = _matching(there, spec.selector), "workloads"
        todo = _SELECT.format(what=f"{','.join(_KINDS)} -n {policy.home}")
    return Check(policy.title, passed=number > 0, what=f"is for {number} {what}", todo=todo)


def _matching(objects: Iterable[Object], selector: LabelSelector | None) -> int:
    labels = (obj["metadata"].get("labels") or {} for obj in objects)
    return sum(1 for label in labels if selector is None or selector.matches(label))


def _secrets(spec: ClusterHealingPolicySpec | HealingPolicySpec) -> Iterator[tuple[str, str]]:
    """The type and name of each Secret that a policy names."""
    yield from _of_rule(spec.escalation)
    if isinstance(spec, ClusterHealingPolicySpec):
        alerts = spec.alerts
        yield from _of_rule(EscalationRule(channels=alerts.channels, ticket=alerts.ticket))
        for rule in alerts.rules or ():
            yield from ((CHANNEL, channel) for channel in rule.channels or ())


def _of_rule(rule: EscalationRule) -> Iterator[tuple[str, str]]:
    yield from ((CHANNEL, channel) for level in rule.ladder for channel in level.channels)
    if rule.ticket:
        yield TICKETS, rule.ticket


def _check_secret(api: Api, address: str, kind: str, title: str) -> Check:
    name = f"Channel {address}" if kind == CHANNEL else f"Tickets {address}"
    try:
        values = read_secret(api, address, kind)
        if kind == CHANNEL:
            what = f"is a channel of {find_service(required(address, values, 'url')).name}"
        else:
            what = f"is a ticket system of {ticket_system(address, values).kind}"
    except PrunellaError as error:
        todo = "see docs/notifications.md for how to make it" + (
            ", and for the Role" if isinstance(error, Forbidden) else ""
        )
        return Check(name, passed=False, what=f"{error} ({title} names it)", todo=todo)
    return Check(name, passed=True, what=what)


def _items(api: Api, path: str) -> list[Object]:
    items: list[Object] = api.call("GET", path)["items"]
    return items
