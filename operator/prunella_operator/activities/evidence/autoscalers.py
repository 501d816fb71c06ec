"""Read the autoscalers of a workload and the disruption budgets of its pods."""

from prunella_operator.activities.evidence.quotas import read_free_quota
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.scaling import autoscaler_view, budget_view, is_autoscaler_of
from prunella_operator.kubernetes.views.templates import template_of
from prunella_workflows.model.scaling import Scaling


def read_scaling(kube: SyncClient, raw: Object, *, quotas: bool = False) -> Scaling:
    """The autoscalers and disruption budgets of a workload now, and on request the free quota."""
    namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
    labels = (template_of(raw).get("metadata") or {}).get("labels") or {}
    autoscalers = [
        scaler for scaler in kube.list(paths.autoscalers(namespace)) if is_autoscaler_of(scaler, raw["kind"], name)
    ]
    budgets = [budget for budget in kube.list(paths.budgets(namespace)) if _selects(budget, labels)]
    return Scaling(
        autoscalers=tuple(autoscaler_view(autoscaler) for autoscaler in autoscalers),
        budgets=tuple(budget_view(budget) for budget in budgets),
        quota_free=read_free_quota(kube, namespace) if quotas else {},
    )


def _selects(budget: Object, labels: dict[str, str]) -> bool:
    """True if a budget covers pods with these labels: an empty selector selects all pods, no selector selects none."""
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and matches(selector, labels)
