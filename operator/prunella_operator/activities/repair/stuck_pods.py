"""Pods that their StatefulSet would wait for forever (kubernetes issue 67250): they are deleted, so that it goes on."""

import time
from collections.abc import Iterable

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.templates import revision_label, template_hash, template_of
from prunella_workflows.decisions.diagnosis.symptoms import find_symptoms
from prunella_workflows.model.errors import Conflict, NotFound
from prunella_workflows.model.plan import Action, PodRef

_READY_LIMIT_SECONDS = 5.0
"""A pod that stays ready for so long is replaced by its StatefulSet."""

_INTERVAL_SECONDS = 0.5


def delete(kube: SyncClient, namespace: str, pods: Iterable[PodRef]) -> None:
    """Delete these pods by uid: doing it twice is doing it once.

    A ready pod is left to its StatefulSet. One that is ready for a moment between two crashes is missed by it.
    """
    deadline = clock.monotonic() + _READY_LIMIT_SECONDS
    left = [pod for pod in pods if not _is_gone(kube, namespace, pod)]
    while left and clock.monotonic() < deadline:
        time.sleep(_INTERVAL_SECONDS)
        left = [pod for pod in left if not _is_gone(kube, namespace, pod)]


def _is_gone(kube: SyncClient, namespace: str, ref: PodRef) -> bool:
    """Delete the pod as it was just read, unless it is ready. True once it is replaced or being deleted."""
    path = paths.core(namespace, "pods", ref.name)
    try:
        raw = kube.get(path)
        pod = pod_view(raw)
        if pod.uid != ref.uid or pod.deleting:
            return True
        if pod.ready:
            return False
        kube.delete(path, ref.uid, resourceVersion=raw["metadata"]["resourceVersion"])
    except NotFound:
        return True
    except Conflict:  # it has changed since: it may be ready now
        return False
    return True


def pods_stuck_after_undo(collector: EvidenceCollector, undo: Action) -> tuple[PodRef, ...]:
    """The broken pods of the template that an undo has just replaced: the StatefulSet waits for those as well."""
    if undo.target.kind != "StatefulSet":
        return ()
    try:
        raw, _, pods = collector.view(undo.target)
    except NotFound:  # it was deleted right after, and its pods with it
        return ()
    undone = undo.require.template_hash
    labels = {
        revision_label(revision)
        for revision in collector.history(raw)
        if template_hash(template_of(revision)) == undone
    }
    suspects = [pod for pod in pods if pod.live and pod.revision in labels]  # ready ones too, see `delete`
    broken = {symptom.pod for symptom in find_symptoms(suspects)}
    return tuple(PodRef(name=pod.name, uid=pod.uid) for pod in suspects if pod.name in broken)
