"""Blame: the evidence by which a release is not to blame for what its own pods suffer.

The question is always whether the last good revision would fare better. What it asks for as well cannot be the fault
of the release, nor can a container that is not in its template, or a part of the cluster that does not answer.
"""

import re
from collections.abc import Iterator
from datetime import timedelta

from prunella_workflows.decisions.diagnosis.culprits import PULL_REFUSED, REGISTRY_SILENT, pull_messages, registry
from prunella_workflows.decisions.diagnosis.evictions import exceeds_own_limit
from prunella_workflows.decisions.diagnosis.external_cause import parse_missing_objects
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.memory_kills import is_by_node
from prunella_workflows.decisions.diagnosis.program_output import find_unreachable_address
from prunella_workflows.decisions.diagnosis.symptoms import CONFIG_REASONS, Kind, Symptom
from prunella_workflows.model.evidence import Evidence, IncidentSummary
from prunella_workflows.model.image import split_image
from prunella_workflows.model.pod_demands import PodDemands
from prunella_workflows.model.workload import PodView, RevisionView

_AT_ONCE = timedelta(minutes=1)
_SAME_TIME = timedelta(minutes=10)
_WEBHOOK_SILENT = re.compile(r"failed (?:calling|to call) webhook|internal error", re.IGNORECASE)
_ABOUT_RESOURCES = re.compile(r"quota|(?:maximum|minimum) \S+ usage per|must be less than or equal to")
_NO_RUNTIME = re.compile(r"runtime ?handler|no runtime for", re.IGNORECASE)
_TOO_SMALL = re.compile(r"memory limit|OOM-killed", re.IGNORECASE)
_NODE_SLOW = re.compile(r"failed to sync|deadline exceeded|timed out")
_INSUFFICIENT = re.compile(r"\bInsufficient ([\w./-]*\w)")
_LOOKUP = re.compile(r"\blookup \S+")
_NO_IMAGE = re.compile(r"not found|manifest unknown|no such host", re.IGNORECASE)
_BY_DEMAND = frozenset({Kind.UNSCHEDULABLE, Kind.NOT_MADE})


def acquit(findings: Findings, good: RevisionView) -> str:
    """The reason for which the current release is not to blame for its failures; "" if it may be."""
    guilty = guilty_failures(findings, good)
    if not guilty:
        return excuse(findings.current_failures[0], findings, good)
    if (other := find_contemporary(findings, good)) is not None:
        return f"the last good revision fails as well ({other})"
    return describe_majority(findings, guilty) or _describe_shared_cause(findings, guilty)


def _describe_shared_cause(findings: Findings, failures: tuple[Symptom, ...]) -> str:
    """The other workloads that began to fail at once, if the release's own failures may come from its surroundings.

    What a program or the kubelet says of the release itself explains it, and so do old pods that serve on.
    """
    evidence, kinds = findings.evidence, {failure.kind for failure in failures}
    alone = kinds == {Kind.NOT_READY} and not any(pod.ready for pod in evidence.live_pods)
    if not alone and not (kinds == {Kind.CRASH} and find_unreachable_address(findings)[0]):
        return ""
    others = sorted({other.workload for other in evidence.incidents if _began_with_ours(other, evidence)})
    return f"{', '.join(others)} began to fail within the same minute: a shared cause" if others else ""


def _began_with_ours(other: IncidentSummary, evidence: Evidence) -> bool:
    ref = evidence.workload.ref
    near = other.opened_at is not None and abs(other.opened_at - evidence.opened_at) <= _AT_ONCE
    return near and bool(other.source) and other.namespace == ref.namespace and other.workload != str(ref)


def guilty_failures(findings: Findings, good: RevisionView) -> tuple[Symptom, ...]:
    """The failures of the current revision that its own template may explain."""
    return tuple(failure for failure in findings.current_failures if not excuse(failure, findings, good))


def excuse(failure: Symptom, findings: Findings, good: RevisionView) -> str:
    """The reason for which the release is not to blame for this failure; "" if it may be."""
    evidence = findings.evidence
    if injected := _find_injected(failure, findings):
        return f"container {injected} is not in the template: something has injected it"
    current = next((revision.demands for revision in evidence.revisions if revision.current), None)
    if resource := _lacked_by_node(failure, evidence):
        return f"its node is short of {resource}"
    if failure.kind is Kind.NOT_MADE and _WEBHOOK_SILENT.search(failure.message):
        return "an admission webhook or the API server itself fails"
    if failure.kind is Kind.CONFIG and _is_of_node(failure, current, good.demands):
        return "the node cannot start it, whatever the template says"
    if failure.kind is Kind.IMAGE and _is_of_registry(failure, evidence, current, good.demands):
        return "the registry does not answer"
    return _describe_shared(failure, evidence, current, good.demands) if current is not None else ""


def _lacked_by_node(failure: Symptom, evidence: Evidence) -> str:
    """The resource that the node took from the pod; "" if it did not."""
    if failure.kind is Kind.EVICTED and not exceeds_own_limit(failure.message):
        return "memory, disk or process ids"
    return "memory" if failure.kind is Kind.OOM and is_by_node(failure, evidence) else ""


def _find_injected(failure: Symptom, findings: Findings) -> str:
    """A failing container of the same pod that the template does not have: the others may fail because of it."""
    known = {container.name for container in findings.evidence.workload.containers}
    failing = (other.container for other in findings.failures if other.pod == failure.pod and other.container)
    return next((name for name in failing if known and name not in known), "")


def _is_of_node(failure: Symptom, current: PodDemands | None, good: PodDemands) -> bool:
    """Report whether the node's runtime, its network or the kubelet fails."""
    if failure.reason != "FailedCreatePodSandBox":
        return failure.reason in CONFIG_REASONS and _NODE_SLOW.search(failure.message) is not None
    same_runtime = current is not None and current.runtime_class == good.runtime_class
    return not _TOO_SMALL.search(failure.message) and (same_runtime or not _NO_RUNTIME.search(failure.message))


def _is_of_registry(failure: Symptom, evidence: Evidence, current: PodDemands | None, good: PodDemands) -> bool:
    """Report whether the registry is silent.

    One whose name does not exist is a mistake of the release; so is one whose name cannot be looked up, unless the
    last good revision uses it too.
    """
    texts = pull_messages(failure, evidence)
    if any(map(_NO_IMAGE.search, texts)) or not any(map(REGISTRY_SILENT.search, texts)):
        return False
    image = current.images.get(failure.container, "") if current is not None else ""
    known = registry(image) in {registry(other) for other in good.images.values()}
    return known or not any(map(_LOOKUP.search, texts))


def _describe_shared(failure: Symptom, evidence: Evidence, current: PodDemands, good: PodDemands) -> str:
    """The demand of both revisions that fails; "" if it is not."""
    if missing := _missing_objects(failure, evidence):
        return f"the last good revision needs {', '.join(sorted(missing))} too" if missing <= good.references else ""
    if failure.kind is Kind.IMAGE:
        return _describe_shared_image(failure, evidence, current, good)
    if failure.kind is Kind.UNSCHEDULABLE and _fits_alike(failure, current, good):
        return "the last good revision would find no node either"
    if failure.kind is Kind.NOT_MADE and _ABOUT_RESOURCES.search(failure.message) and not current.exceeds(good):
        return "this release requests no more than the last good one"
    if failure.kind is Kind.CONFIG and (volume := _shared_volume(failure, current, good)):
        return f"the last good revision mounts volume {volume} too"
    return ""


def _missing_objects(failure: Symptom, evidence: Evidence) -> frozenset[str]:
    """The objects that do not exist, by the failure or by the kubelet's other Events about the pod."""
    texts = [failure.message, *(event.message for event in evidence.events if event.about == failure.pod)]
    return frozenset().union(*map(parse_missing_objects, texts))


def _fits_alike(failure: Symptom, current: PodDemands, good: PodDemands) -> bool:
    """Report whether the last good revision asks for the same nodes, and for no less of what they are short of."""
    lacking = _INSUFFICIENT.findall(failure.message)
    return current.placement == good.placement and not current.requests_more(good, lacking)


def _describe_shared_image(failure: Symptom, evidence: Evidence, current: PodDemands, good: PodDemands) -> str:
    image = current.images.get(failure.container, "")
    if image and image in good.images.values():
        return f"the last good revision has image {image} too"
    refused = any(map(PULL_REFUSED.search, pull_messages(failure, evidence)))
    known = {split_image(other).repository for other in good.images.values()}
    repository = split_image(image).repository
    if refused and image and repository in known:
        return f"the registry refuses repository {repository}, which the last good revision uses too"
    return ""


def _shared_volume(failure: Symptom, current: PodDemands, good: PodDemands) -> str:
    """The volume that the kubelet names, if both revisions have it."""
    named = (name for name in current.volumes if f'volume "{name}"' in failure.message)
    return next((name for name in named if current.volumes[name] == good.volumes.get(name)), "")


def find_contemporary(findings: Findings, good: RevisionView) -> Symptom | None:
    """A pod of the last good revision that fails like the release's, or that began to fail in the same minutes."""
    kinds = {failure.kind for failure in findings.current_failures}
    pods = {pod.name: pod for pod in _pods_of(good, findings.evidence)}
    lasting = set(findings.failures)
    for symptom in findings.symptoms:
        pod = pods.get(symptom.pod)
        if pod is not None and _fails_now(symptom, findings.evidence):
            began_now = symptom in lasting and _began_now(symptom, pod, findings.evidence)
            if symptom.kind in kinds or began_now:
                return symptom
    return None


def _pods_of(good: RevisionView, evidence: Evidence) -> Iterator[PodView]:
    for pod in evidence.live_pods:
        old = pod.revision != evidence.workload.revision
        if old and (good.ref.source != "ReplicaSet" or good.ref.name.endswith(pod.revision)):
            yield pod


def _fails_now(symptom: Symptom, evidence: Evidence) -> bool:
    """A container in a crash loop runs for a moment between two crashes, so a recent crash counts as current."""
    return symptom.active or (symptom.at is not None and evidence.read_at - symptom.at < _SAME_TIME)


def _began_now(symptom: Symptom, pod: PodView, evidence: Evidence) -> bool:
    began = pod.unready_since or symptom.at or pod.created_at
    return began is not None and began >= evidence.opened_at - _SAME_TIME


def describe_majority(findings: Findings, failures: tuple[Symptom, ...]) -> str:
    """The number of pods that run well if they are most of this release's; "" otherwise, or if it asks for too much."""
    if any(failure.kind in _BY_DEMAND for failure in failures):
        return ""
    evidence = findings.evidence
    needed = max([timedelta(seconds=evidence.soak), *_lives(evidence)])
    troubled = {symptom.pod for symptom in findings.recent_symptoms}
    pods = [pod for pod in evidence.current_pods if pod.name not in troubled and pod.ready_since is not None]
    well = [pod for pod in pods if pod.ready_since and evidence.read_at - pod.ready_since >= needed]
    if len(well) * 2 <= len(evidence.current_pods):
        return ""
    return f"{len(well)} of {len(evidence.current_pods)} pods of this release run well"


def _lives(evidence: Evidence) -> Iterator[timedelta]:
    """The durations of the runs that failed: a pod proves nothing before it has run for longer."""
    for pod in evidence.current_pods:
        for end in (end for status in pod.containers for end in status.terminations if end.exit_code):
            if end.started_at is not None and end.finished_at is not None:
                yield end.finished_at - end.started_at
