"""More memory for running pods, in place: each pod by its uid, from exactly the old limit to exactly the new one.

A pod that is gone is skipped, and so is one whose limit someone else has set: the verification sees it.
"""

from contextlib import suppress

from prunella_operator.activities.repair.change import Change, reverse
from prunella_operator.activities.repair.diff import memory_diff
from prunella_operator.activities.repair.live_object import LiveObject
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.templates import container_views
from prunella_workflows.model.errors import ChangedSince, Conflict, Forbidden, NotFound, Refused
from prunella_workflows.model.plan import PodRef, ResizePods
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.workload import ContainerView


class PodResize(Change[ResizePods]):
    """A change of the memory limit of running pods."""

    def check(self, live: LiveObject) -> None:
        """Every pod must be the one that was diagnosed as well. An undo changes those that still are."""
        super().check(live)
        for pod in () if self.undoing else self.action.pods:
            if self._resizable(pod) is None:
                raise ChangedSince(f"pod {pod.name} was replaced or resized since the diagnosis")

    def patch(self, _live: LiveObject) -> tuple[dict[str, str], list[Object]]:
        """Only the action id is written to the workload; the pods follow in `finish`."""
        return {}, []

    def finish(self) -> None:
        """Set the limit in all pods or, where one is refused, in none. An undo sets the old one in all that accept it.

        Raises Refused or Forbidden for a LimitRange, an admission rule or a quota, and Conflict for a pod that changed
        while it was being written: the same order completes it.
        """
        if self.undoing:
            self._resize_where_accepted()
            return
        try:
            for pod in self.action.pods:
                self._resize(pod)
        except (Refused, Forbidden):
            old = reverse(self.action, self.action.require)
            with suppress(Refused):
                PodResize(old, self.kube, self.collector, undoing=True).finish()
            raise

    def preview(self) -> str:
        """The diff of the limit."""
        return memory_diff(self.action.container, self.action.limit_from, self.action.limit_to)

    def _resize_where_accepted(self) -> None:
        refusals = []
        for pod in self.action.pods:
            try:
                self._resize(pod)
            except (Refused, Forbidden) as error:
                refusals.append(f"pod {pod.name}: {error}")
        if refusals:
            raise Refused("; ".join(refusals))

    def _resize(self, pod: PodRef) -> None:
        raw = self._resizable(pod)
        if raw is None:
            return
        try:
            self.kube.json_patch(f"{self._path(pod)}/resize", self._operations(raw))
        except NotFound:
            return
        except Refused as error:
            now = self._live(pod)
            if now is None or now["metadata"]["resourceVersion"] != raw["metadata"]["resourceVersion"]:
                raise Conflict(f"pod {pod.name} changed while it was being written") from error
            raise

    def _resizable(self, pod: PodRef) -> Object | None:
        """The pod as it is now; None unless it is the one that was diagnosed, with the limit it had then."""
        raw = self._live(pod)
        return raw if raw is not None and self._container(raw).memory_limit == self.action.limit_from else None

    def _live(self, pod: PodRef) -> Object | None:
        """The pod as it is now; None when it is gone, terminating, or a namesake."""
        try:
            raw = self.kube.get(self._path(pod))
        except NotFound:
            return None
        return raw if raw["metadata"]["uid"] == pod.uid and pod_view(raw).live else None

    def _path(self, pod: PodRef) -> str:
        return paths.core(self.action.target.namespace, "pods", pod.name)

    def _container(self, raw: Object) -> ContainerView:
        wanted = (self.action.container, False)
        return next(view for view in container_views(raw) if (view.name, view.init) == wanted)

    def _operations(self, raw: Object) -> list[Object]:
        """The patch of one pod; it fails when pod, container or limit are no longer those that were read."""
        container = self._container(raw)
        base = f"/spec/containers/{container.index}"
        memory = raw["spec"]["containers"][container.index]["resources"]["limits"]["memory"]
        value = format_bytes(self.action.limit_to)
        patch: list[Object] = [
            {"op": "test", "path": "/metadata/uid", "value": raw["metadata"]["uid"]},
            {"op": "test", "path": f"{base}/name", "value": self.action.container},
            {"op": "test", "path": f"{base}/resources/limits/memory", "value": memory},
            {"op": "replace", "path": f"{base}/resources/limits/memory", "value": value},
        ]
        if container.memory_request == container.memory_limit:
            patch.append({"op": "add", "path": f"{base}/resources/requests/memory", "value": value})
        return patch
