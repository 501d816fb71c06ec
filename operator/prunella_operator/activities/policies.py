"""Which policy holds for a workload: read the policies, lay them over the built-in one, most specific last."""

from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError

from prunella_operator.cluster import paths
from prunella_operator.cluster.kube import Kube
from prunella_operator.cluster.port import Object
from prunella_workflows.errors import InvalidIncident
from prunella_workflows.guard import HEAL
from prunella_workflows.model.policy import (
    BUILT_IN,
    ClusterHealingPolicySpec,
    EffectivePolicy,
    HealingPolicySpec,
    PolicyMode,
    PolicySpec,
    merge,
)
from prunella_workflows.model.workload import WorkloadView

P = TypeVar("P", bound=PolicySpec)


def effective_policy(kube: Kube, workload: WorkloadView, namespace_labels: dict[str, str]) -> EffectivePolicy:
    """The policy of one workload. Without any: Heal where the namespace is labelled for it, else Observe.

    Raises:
        InvalidIncident: a policy does not parse; it names the policy and the field.
    """
    opted_in = namespace_labels.get(HEAL) == "enabled"
    base = BUILT_IN.model_copy(update={"mode": PolicyMode.HEAL if opted_in else PolicyMode.OBSERVE})
    cluster = _sorted(kube.list(paths.policies()))
    here = _sorted(kube.list(paths.policies(workload.ref.namespace)))
    wide = [
        (f"ClusterHealingPolicy/{name}", spec)
        for name, spec in ((name, _parse(ClusterHealingPolicySpec, name, raw)) for name, raw in cluster)
        if spec.namespace_selector is None or spec.namespace_selector.matches(namespace_labels)
    ]
    own = [(f"HealingPolicy/{name}", _parse(HealingPolicySpec, name, raw)) for name, raw in here]
    general = [(name, spec) for name, spec in own if spec.selector is None]
    narrow = [
        (name, spec) for name, spec in own if spec.selector is not None and spec.selector.matches(workload.labels)
    ]
    return merge(base, *wide, *general, *narrow)


def _sorted(items: Iterable[Object]) -> list[tuple[str, Object]]:
    return sorted(((one["metadata"]["name"], one.get("spec") or {}) for one in items), key=lambda pair: pair[0])


def _parse(model: type[P], name: str, raw: Object) -> P:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidIncident(f"policy {name}: spec.{where}: {first['msg']}") from None
