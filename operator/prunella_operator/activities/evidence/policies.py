"""The effective policy of a workload: the built-in one, overlaid by the others, most specific last."""

import re
from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.labels import HEAL
from prunella_workflows.model.policy import (
    BUILT_IN,
    ClusterHealingPolicySpec,
    EffectivePolicy,
    EscalationRule,
    HealingPolicySpec,
    PolicyMode,
    PolicySpec,
    merge,
)
from prunella_workflows.model.workload import WorkloadView

P = TypeVar("P", bound=PolicySpec)

_SECRET_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z")


def effective_policy(kube: SyncClient, workload: WorkloadView, namespace_labels: dict[str, str]) -> EffectivePolicy:
    """The policy of one workload. Without one: Heal where the namespace opted in by label, else Observe.

    Raises:
        InvalidIncident: a policy does not parse; it names the policy and the field.
    """
    opted_in = namespace_labels.get(HEAL) == "enabled"
    base = BUILT_IN.model_copy(update={"mode": PolicyMode.HEAL if opted_in else PolicyMode.OBSERVE})
    cluster = _sorted(kube.list(paths.policies()))
    here = _sorted(kube.list(paths.policies(workload.ref.namespace)))
    wide = [
        (f"ClusterHealingPolicy/{name}", spec)
        for name, spec in ((name, _parse(ClusterHealingPolicySpec, name, raw, kube.namespace)) for name, raw in cluster)
        if spec.namespace_selector is None or spec.namespace_selector.matches(namespace_labels)
    ]
    own = [
        (f"HealingPolicy/{name}", _parse(HealingPolicySpec, name, raw, workload.ref.namespace)) for name, raw in here
    ]
    general = [(name, spec) for name, spec in own if spec.selector is None]
    narrow = [
        (name, spec) for name, spec in own if spec.selector is not None and spec.selector.matches(workload.labels)
    ]
    return merge(base, *wide, *general, *narrow)


def _sorted(items: Iterable[Object]) -> list[tuple[str, Object]]:
    return sorted(((item["metadata"]["name"], item.get("spec") or {}) for item in items), key=lambda pair: pair[0])


def address(name: str, namespace: str) -> str:
    """The address of a Secret that a policy names: `NAMESPACE/NAME`.

    Raises:
        ValueError: it is not a valid name, and might address a Secret of another namespace.
    """
    if not _SECRET_NAME.match(name):
        raise ValueError(f"{name!r} is not the name of a Secret")
    return f"{namespace}/{name}"


def _add_addresses(rule: EscalationRule, namespace: str) -> EscalationRule:
    def all_of(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(address(name, namespace) for name in names)

    return EscalationRule(
        channels=None if rule.channels is None else all_of(rule.channels),
        levels=None
        if rule.levels is None
        else tuple(level.model_copy(update={"channels": all_of(level.channels)}) for level in rule.levels),
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
