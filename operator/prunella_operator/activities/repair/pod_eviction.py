"""Evict pods that wait in a long back-off, each by its uid, through the API that respects disruption budgets."""

from contextlib import suppress

from prunella_operator.activities.repair.change import Change
from prunella_operator.activities.repair.live_object import LiveObject
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_workflows.model.errors import Conflict, NotFound, Unavailable
from prunella_workflows.model.plan import Action, EvictPods, PodRef
from prunella_workflows.model.workload import PodView


class PodEviction(Change[EvictPods]):
    """The eviction of the pods that were diagnosed and that have not started since."""

    def patch(self, _live: LiveObject) -> tuple[dict[str, str], list[Object]]:
        """Only the action id is written to the workload; the pods follow in `finish`."""
        return {}, []

    def finish(self) -> None:
        """Evict each pod. One that is gone, or that a budget keeps (429), is started again by its kubelet, only later.

        Raises:
            Permanent: no pod may be evicted at all, such as for want of a right.
        """
        for pod in self.action.pods:
            with suppress(NotFound, Conflict, Unavailable):
                self._evict(pod)

    def preview(self) -> str:
        """No diff: the workload's spec stays as it is."""
        return ""

    def undo(self, _written: LiveObject) -> Action | None:
        """Nothing to undo: the pods were replaced."""
        return None

    def _evict(self, pod: PodRef) -> None:
        if _has_started(pod_view(self.kube.get(self._path(pod)))):
            return
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": self.action.target.namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        self.kube.create(f"{self._path(pod)}/eviction", body)

    def _path(self, pod: PodRef) -> str:
        return paths.core(self.action.target.namespace, "pods", pod.name)


def _has_started(pod: PodView) -> bool:
    """Report whether no container waits any more: the pod runs, even if it is not ready yet."""
    running = [status.running_since is not None for status in pod.containers if not status.init]
    return pod.ready or (bool(running) and all(running))
