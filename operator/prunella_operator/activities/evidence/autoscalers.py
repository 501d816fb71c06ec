"""Read the autoscalers of a workload, the disruption budgets of its pods, and what bounds their number."""

from collections.abc import Iterator

from prunella_operator.activities.evidence.quotas import read_free_quota
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.scaling import autoscaler_view, budget_view, is_autoscaler_of
from prunella_operator.kubernetes.views.templates import template_of
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.scaling import Scaling

_SHARED_MODES = frozenset({"ReadWriteMany", "ReadOnlyMany"})


def read_scaling(kube: SyncClient, raw: Object, *, bounds: bool = False) -> Scaling:
    """The autoscalers and disruption budgets of a workload now, and on request what bounds more replicas."""
    namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
    labels = (template_of(raw).get("metadata") or {}).get("labels") or {}
    autoscalers = [
        scaler for scaler in kube.list(paths.autoscalers(namespace)) if is_autoscaler_of(scaler, raw["kind"], name)
    ]
    budgets = [budget for budget in kube.list(paths.budgets(namespace)) if _selects(budget, labels)]
    return Scaling(
        autoscalers=tuple(autoscaler_view(autoscaler) for autoscaler in autoscalers),
        budgets=tuple(budget_view(budget) for budget in budgets),
        quota_free=read_free_quota(kube, namespace) if bounds else {},
        exclusive_claims=tuple(_exclusive_claims(kube, raw)) if bounds else (),
    )


def _exclusive_claims(kube: SyncClient, raw: Object) -> Iterator[str]:
    """The claims of the template that pods on several nodes cannot share. A claim template gives each pod its own."""
    for volume in (template_of(raw).get("spec") or {}).get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name and not _SHARED_MODES.intersection(_access_modes(kube, raw["metadata"]["namespace"], name)):
            yield name


def _access_modes(kube: SyncClient, namespace: str, name: str) -> list[str]:
    """The access modes of a claim; none of one that is gone, which no pod can share either."""
    try:
        claim = kube.get(paths.core(namespace, "persistentvolumeclaims", name))
    except NotFound:
        return []
    return (claim.get("spec") or {}).get("accessModes") or []


def _selects(budget: Object, labels: dict[str, str]) -> bool:
    """True if a budget covers pods with these labels: an empty selector selects all pods, no selector selects none."""
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and matches(selector, labels)
