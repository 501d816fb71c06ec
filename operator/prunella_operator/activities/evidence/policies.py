"""The policies of a workload, and the effective one: the built-in one, overlaid by them, most specific last."""

import re
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model import policy
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.workload import WorkloadView

P = TypeVar("P", bound=policy.PolicySpec)

_SECRET_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z")


def effective_policy(
    kube: SyncClient, workload: WorkloadView, namespace_labels: dict[str, str]
) -> policy.EffectivePolicy:
    """The policy of one workload. Raises InvalidIncident, see `read_layers`."""
    return policy.merge_layers(read_layers(kube, workload, namespace_labels), namespace_labels)


def read_layers(
    kube: SyncClient, workload: WorkloadView, namespace_labels: dict[str, str]
) -> tuple[policy.PolicyLayer, ...]:
    """The policies that select one workload.

    Raises InvalidIncident, which names policy and field, if one that selects it does not parse.
    """
    namespace = workload.ref.namespace
    cluster = _Level("ClusterHealingPolicy", policy.ClusterHealingPolicySpec, "namespaceSelector", kube.namespace)
    own = _Level("HealingPolicy", policy.HealingPolicySpec, "selector", namespace)
    wide = _read(kube.list(paths.policies()), cluster, namespace_labels)
    local = _read(kube.list(paths.policies(namespace)), own, workload.labels)
    return (*wide, *local)


class _Level(NamedTuple, Generic[P]):
    """A kind of policy: its model, the field that selects, and the namespace of the Secrets that it names."""

    kind: str
    model: type[P]
    selector: str
    namespace: str


def _read(items: Iterable[Object], level: _Level[P], labels: dict[str, str]) -> list[policy.PolicyLayer]:
    """Parse the policies that select these labels. Any other may be invalid: it is not for this workload."""
    specs = ((item["metadata"]["name"], item.get("spec") or {}) for item in items)
    return [_layer(level, name, spec) for name, spec in specs if matches(spec.get(level.selector) or {}, labels)]


def _layer(level: _Level[P], name: str, raw: Object) -> policy.PolicyLayer:
    spec = _parse(level.model, name, raw, level.namespace)
    rank = 0 if isinstance(spec, policy.ClusterHealingPolicySpec) else 1 + (raw.get(level.selector) is not None)
    return policy.PolicyLayer(source=f"{level.kind}/{name}", rank=rank, spec=spec)


def address(name: str, namespace: str) -> str:
    """The address `NAMESPACE/NAME` of a Secret. Raises ValueError for a name that might address another namespace."""
    if not _SECRET_NAME.match(name):
        raise ValueError(f"{name!r} is not the name of a Secret")
    return f"{namespace}/{name}"


def _add_addresses(rule: policy.EscalationRule, namespace: str) -> policy.EscalationRule:
    def all_of(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(address(name, namespace) for name in names)

    levels = tuple(level.model_copy(update={"channels": all_of(level.channels)}) for level in rule.levels or ())
    return policy.EscalationRule(
        channels=None if rule.channels is None else all_of(rule.channels),
        levels=None if rule.levels is None else levels,
        ticket=address(rule.ticket, namespace) if rule.ticket else rule.ticket,
        quiet_hours=rule.quiet_hours,
    )


def _parse(model: type[P], name: str, raw: Object, namespace: str) -> P:
    """The policy, with the Secrets it names in `namespace`: its own, or ours when it is the cluster's."""
    try:
        spec = model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidIncident(f"policy {name}: spec.{where}: {first['msg']}") from None
    try:
        return spec.model_copy(update={"escalation": _add_addresses(spec.escalation, namespace)})
    except ValueError as error:
        raise InvalidIncident(f"policy {name}: spec.escalation: {error}") from None
