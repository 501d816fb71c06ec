"""What is wrong with pods right now, read from their views. Facts only: no root cause is named here.

Traps this module knows: a pod being deleted or evicted looks like a crash; exit 137 is not an OOM kill; the reason
OOMKilled with exit code 0 or 143 comes from a cumulative counter and is no OOM kill either; how a run ended stays on
record for as long as the next one lasts, be it months; CrashLoopBackOff is no steady state; a pod whose init container
hangs or whose volume is missing stays Pending; a kubelet that ends while it starts a container leaves a failure that
is not the program's.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from prunella_workflows.decisions.diagnosis.startup import granted, node_is_coming, not_made, obstacle, too_long
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.workload import ContainerStatusView, PodView, Termination

IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
CRASH_LOOP = "CrashLoopBackOff"
OOM_KILLED = "OOMKilled"
SIGKILL_EXIT = 137
_NO_OOM_EXITS = frozenset({0, 143})
_START_ERROR, _CANCELED = "StartError", "context canceled"
_STARTED = frozenset({"Pending", "Running"})


class Kind(StrEnum):
    """The kinds of symptom."""

    OOM = "OOM"
    CRASH = "Crash"
    IMAGE = "Image"
    CONFIG = "Config"
    UNSCHEDULABLE = "Unschedulable"
    NOT_READY = "NotReady"
    NOT_MADE = "NotMade"


LONG = timedelta(minutes=10)
"""After as long a run the kubelet forgets its back-off, too."""

_PATIENCE = {Kind.NOT_READY: timedelta(seconds=30), Kind.UNSCHEDULABLE: timedelta(minutes=2)}


class Symptom(Value):
    """One thing that is wrong with one pod. `active` tells whether it is so now or was so a moment ago."""

    kind: Kind
    pod: str
    revision: str
    container: str = ""
    reason: str
    message: str = ""
    exit_code: int | None = None
    at: datetime | None = None
    active: bool = True

    def __str__(self) -> str:
        where = (f"pod {self.pod}" if self.pod else "a pod") + (
            f", container {self.container}" if self.container else ""
        )
        code = f" (exit code {self.exit_code})" if self.exit_code is not None else ""
        return f"{where}: {self.reason}{code}" + (f": {self.message}" if self.message else "")


def is_oom(end: Termination) -> bool:
    """Whether this termination was an OOM kill."""
    return end.reason == OOM_KILLED and end.exit_code not in _NO_OOM_EXITS


def symptoms(pods: Iterable[PodView]) -> tuple[Symptom, ...]:
    """Everything that is wrong with these pods, pods that are going or gone left aside."""
    return tuple(symptom for pod in pods if pod.live for symptom in _of_pod(pod))


def failing(evidence: Evidence, pods: Iterable[PodView]) -> list[Symptom]:
    """The symptoms that count now.

    A pod that is merely not ready may still be starting, and one without a node may be waiting for a new one, the more
    so when an autoscaler says that it gets one: both count once the rollout is past its deadline, or when they have
    lasted for a while. Pods that cannot be made count, too.
    """
    named = {pod.name: pod for pod in pods}
    found = [
        one for one in lately(evidence, named.values()) if one.kind not in _PATIENCE or _lasts(one, named, evidence)
    ]
    return [*(_explained(one, named, evidence) for one in found), *_missing(evidence)]


def lately(evidence: Evidence, pods: Collection[PodView]) -> tuple[Symptom, ...]:
    """The symptoms without the ends that a pod, ready by now, had long ago: they say nothing of what is wrong today."""
    ready = {pod.name for pod in pods if pod.ready}
    return tuple(symptom for symptom in symptoms(pods) if symptom.pod not in ready or not _is_old(symptom, evidence))


def _is_old(symptom: Symptom, evidence: Evidence) -> bool:
    return not symptom.active and symptom.at is not None and evidence.read_at - symptom.at >= LONG


def _lasts(symptom: Symptom, pods: dict[str, PodView], evidence: Evidence) -> bool:
    pod = pods[symptom.pod]
    if pod.node_lost:  # nothing is known of it
        return False
    if symptom.kind is Kind.UNSCHEDULABLE and node_is_coming(pod, evidence):
        return False
    if evidence.late:
        return symptom.kind is not Kind.NOT_READY or not granted(pod, evidence)
    if symptom.at is None:
        return too_long(pod, evidence)
    return evidence.read_at - symptom.at >= _PATIENCE[symptom.kind]


def _explained(symptom: Symptom, pods: dict[str, PodView], evidence: Evidence) -> Symptom:
    """A pod that is not ready because its containers cannot be created lacks what its template refers to."""
    event = obstacle(pods[symptom.pod], evidence) if symptom.kind is Kind.NOT_READY else None
    if event is None:
        return symptom
    return symptom.model_copy(update={"kind": Kind.CONFIG, "reason": event.reason, "message": event.message})


def _missing(evidence: Evidence) -> Iterator[Symptom]:
    """Pods that are wanted and refused."""
    if words := not_made(evidence):
        revision = evidence.workload.revision
        yield Symptom(kind=Kind.NOT_MADE, pod="", revision=revision, reason="FailedCreate", message=words)


def _of_pod(pod: PodView) -> Iterator[Symptom]:
    found = False
    for status in pod.containers:
        for symptom in _of_container(pod, status):
            found = True
            yield symptom
    if pod.unschedulable:
        yield _symptom(pod, Kind.UNSCHEDULABLE, reason="Unschedulable", message=pod.unschedulable, at=pod.created_at)
    elif not found and not pod.ready and pod.phase in _STARTED:
        words = f"{pod.phase.lower()} but not ready"
        yield _symptom(pod, Kind.NOT_READY, reason="NotReady", message=words, at=pod.unready_since)


def _of_container(pod: PodView, status: ContainerStatusView) -> Iterator[Symptom]:
    if status.waiting in IMAGE_REASONS:
        yield _symptom(pod, Kind.IMAGE, status.name, reason=status.waiting, message=status.message)
    elif status.waiting in CONFIG_REASONS:
        yield _symptom(pod, Kind.CONFIG, status.name, reason=status.waiting, message=status.message)
    elif (end := _last_failure(status)) is not None and not _is_past(pod, status):
        oom = _counts_as_oom(status, end)
        yield _symptom(
            pod,
            Kind.OOM if oom else Kind.CRASH,
            status.name,
            reason=OOM_KILLED if oom else status.waiting or end.reason or "Error",
            message=end.message,
            exit_code=end.exit_code,
            at=end.finished_at,
            active=status.running_since is None,
        )


def _last_failure(status: ContainerStatusView) -> Termination | None:
    """The newest termination, if it was a failure (an OOM counter on a clean exit is none).

    A container in back-off failed by the kubelet's own judgement: one that ends at once with code 0 never runs either.
    """
    newest = next((termination for termination in status.terminations if not _aborted(termination)), None)
    if status.waiting == CRASH_LOOP and (newest is not None or not status.terminations):
        return newest or Termination()
    return newest if newest is not None and newest.exit_code != 0 else None


def _is_past(pod: PodView, status: ContainerStatusView) -> bool:
    """Whether the pod got ready after that end, and lost its readiness in the very run that goes on now: then the end
    before this run is not what is wrong now.
    """
    since, unready = status.running_since, pod.unready_since
    return since is not None and unready is not None and unready > since


def _aborted(end: Termination) -> bool:
    """Whether the kubelet went away while it started the container: that says nothing of the program."""
    return end.reason == _START_ERROR and _CANCELED in end.message


def _counts_as_oom(status: ContainerStatusView, newest: Termination) -> bool:
    """An OOM kill is sometimes reported as 137/Error, so one OOMKilled beside a 137 counts; 137 alone does not."""
    older = any(is_oom(end) for end in status.terminations)
    return is_oom(newest) or (newest.exit_code == SIGKILL_EXIT and older)


def _symptom(
    pod: PodView,
    kind: Kind,
    container: str = "",
    *,
    reason: str,
    message: str = "",
    exit_code: int | None = None,
    at: datetime | None = None,
    active: bool = True,
) -> Symptom:
    return Symptom(
        kind=kind,
        pod=pod.name,
        revision=pod.revision,
        container=container,
        reason=reason,
        message=message,
        exit_code=exit_code,
        at=at,
        active=active,
    )
