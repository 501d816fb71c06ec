"""The change of each action: the only place that tells the families apart."""

from typing import Any, assert_never

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.change import Change
from prunella_operator.activities.repair.pod_eviction import PodEviction
from prunella_operator.activities.repair.pod_resize import PodResize
from prunella_operator.activities.repair.replica_patches import MaxReplicasChange, ScaleChange
from prunella_operator.activities.repair.template_patches import MemoryChange, RestartChange, RestoreChange
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model import plan


def change_for(
    action: plan.Action, kube: SyncClient, collector: EvidenceCollector, *, undoing: bool = False
) -> Change[Any]:
    """The change that makes an action, or that undoes an earlier one with it."""
    match action:
        case plan.SetMemory():
            return MemoryChange(action, kube, collector, undoing)
        case plan.RestoreTemplate():
            return RestoreChange(action, kube, collector, undoing)
        case plan.Restart():
            return RestartChange(action, kube, collector, undoing)
        case plan.ResizePods() | plan.EvictPods():
            return _pod_change(action, kube, collector, undoing=undoing)
        case plan.Scale():
            return ScaleChange(action, kube, collector, undoing)
        case plan.RaiseMaxReplicas():
            return MaxReplicasChange(action, kube, collector, undoing)
        case _ as never:
            assert_never(never)


def _pod_change(
    action: plan.ResizePods | plan.EvictPods, kube: SyncClient, collector: EvidenceCollector, *, undoing: bool
) -> Change[Any]:
    if isinstance(action, plan.ResizePods):
        return PodResize(action, kube, collector, undoing)
    return PodEviction(action, kube, collector, undoing)
