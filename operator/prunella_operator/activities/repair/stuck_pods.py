"""Pods that their StatefulSet would wait for forever (kubernetes issue 67250): they are deleted, so that it goes on."""

from collections.abc import Iterable
from contextlib import suppress

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.templates import revision_label, template_hash, template_of
from prunella_workflows.decisions.diagnosis.symptoms import find_symptoms
from prunella_workflows.model.errors import Conflict, NotFound
from prunella_workflows.model.plan import Action, PodRef


def delete(kube: SyncClient, namespace: str, pods: Iterable[PodRef]) -> None:
    """Delete these pods by uid, unless they are ready by now: doing it twice is doing it once."""
    for pod in pods:
        path = paths.core(namespace, "pods", pod.name)
        with suppress(NotFound, Conflict):
            if not pod_view(kube.get(path)).ready:
                kube.delete(path, pod.uid)


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
    suspects = [pod for pod in pods if pod.live and not pod.ready and pod.revision in labels]
    broken = {symptom.pod for symptom in find_symptoms(suspects)}
    return tuple(PodRef(name=pod.name, uid=pod.uid) for pod in suspects if pod.name in broken)
