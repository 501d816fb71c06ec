"""Symptoms: what is wrong with pods right now, read from their views. Facts only, without a root cause.

Known traps: a pod being deleted or evicted looks like a crash; exit code 137 alone is not an OOM kill; the reason
OOMKilled with exit code 0 or 143 comes from a cumulative counter and is no OOM kill either; how a run ended stays on
record as long as the next run lasts, even months; CrashLoopBackOff is not a steady state; a pod whose init container
hangs or whose volume is missing stays Pending; a kubelet that stops while it starts a container leaves a failure that
is not the program's.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import chain

from prunella_workflows.decisions.diagnosis import startup
from prunella_workflows.decisions.diagnosis.evictions import evicted_in_a_row, eviction_message
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
_KILLED_AT_START = "init was OOM-killed"  # the runtime's words: the limit is too low even for it
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
    EVICTED = "Evicted"


STABLE_AFTER = timedelta(minutes=10)
"""A run that lasts this long is stable; the kubelet resets its back-off then, too."""

_GRACE = {Kind.NOT_READY: timedelta(seconds=30), Kind.UNSCHEDULABLE: timedelta(minutes=2)}


class Symptom(Value):
    """One thing that is wrong with one pod. `active`: it is so now; otherwise it was so a moment ago."""

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
        where = f"pod {self.pod}" if self.pod else "a pod"
        where += f", container {self.container}" if self.container else ""
        code = f" (exit code {self.exit_code})" if self.exit_code is not None else ""
        return f"{where}: {self.reason}{code}" + (f": {self.message}" if self.message else "")


def is_oom(termination: Termination) -> bool:
    """Report whether this termination was an OOM kill."""
    return termination.reason == OOM_KILLED and termination.exit_code not in _NO_OOM_EXITS


def find_symptoms(pods: Iterable[PodView]) -> tuple[Symptom, ...]:
    """Everything that is wrong with these pods. Skip pods that are terminating or gone."""
    return tuple(symptom for pod in pods if pod.live for symptom in _pod_symptoms(pod))


def select_healthy(pods: Iterable[PodView], now: datetime) -> tuple[PodView, ...]:
    """The ready pods that have not failed lately: one that runs between two crashes does not count."""
    ready = tuple(pod for pod in pods if pod.live and pod.ready)
    failing = {symptom.pod for symptom in find_symptoms(ready) if symptom.at is None or now - symptom.at < STABLE_AFTER}
    return tuple(pod for pod in ready if pod.name not in failing)


def drop_survived(symptoms: Iterable[Symptom], evidence: Evidence) -> tuple[Symptom, ...]:
    """Drop terminations from long ago of pods that are ready now: they do not explain the present fault."""
    ready = {pod.name for pod in evidence.live_pods if pod.ready}
    return tuple(symptom for symptom in symptoms if symptom.pod not in ready or not _is_old(symptom, evidence))


def _is_old(symptom: Symptom, evidence: Evidence) -> bool:
    return not symptom.active and symptom.at is not None and evidence.read_at - symptom.at >= STABLE_AFTER


def select_failures(symptoms: Iterable[Symptom], evidence: Evidence) -> tuple[Symptom, ...]:
    """The symptoms that count as failures now, pods that cannot be created, and those that are evicted repeatedly.

    A pod that is merely not ready may still be starting, and one without a node may be waiting for a new one, all the
    more if an autoscaler is provisioning it. Both count once the rollout is past its deadline, or when they have
    lasted for a while.
    """
    pods = {pod.name: pod for pod in evidence.live_pods}
    found = (symptom for symptom in symptoms if _has_lasted(symptom, pods[symptom.pod], evidence))
    return (
        *(_explain(symptom, pods[symptom.pod], evidence) for symptom in found),
        *_missing_pods(evidence),
        *_evicted_pods(evidence),
    )


def _has_lasted(symptom: Symptom, pod: PodView, evidence: Evidence) -> bool:
    if symptom.kind not in _GRACE:
        return True
    if pod.node_lost:  # its state is unknown
        return False
    if symptom.kind is Kind.UNSCHEDULABLE and startup.node_is_coming(pod, evidence):
        return False
    if evidence.past_deadline:
        return symptom.kind is not Kind.NOT_READY or not _may_still_start(pod, evidence)
    if symptom.at is None:
        return startup.startup_overdue(pod, evidence)
    return evidence.read_at - symptom.at >= _GRACE[symptom.kind]


def _may_still_start(pod: PodView, evidence: Evidence) -> bool:
    return startup.within_probe_budget(pod, evidence) or startup.is_unexplained(pod, evidence)


def _explain(symptom: Symptom, pod: PodView, evidence: Evidence) -> Symptom:
    """A pod that is not ready because its containers cannot be created lacks an object that its template refers to."""
    event = startup.startup_blocker(pod, evidence) if symptom.kind is Kind.NOT_READY else None
    if event is None:
        return symptom
    blocked = symptom.model_copy(update={"kind": Kind.CONFIG, "reason": event.reason, "message": event.message})
    if _KILLED_AT_START not in event.message:
        return blocked
    return blocked.model_copy(update={"kind": Kind.OOM, "container": next(iter(pod.memory_limits), "")})


def _missing_pods(evidence: Evidence) -> Iterator[Symptom]:
    """Pods that are wanted, and refused by the API server."""
    if message := startup.pod_creation_error(evidence):
        revision = evidence.workload.revision
        yield Symptom(kind=Kind.NOT_MADE, pod="", revision=revision, reason="FailedCreate", message=message)


def _evicted_pods(evidence: Evidence) -> Iterator[Symptom]:
    """Pods that start again and again, and are evicted each time."""
    if pods := evicted_in_a_row(evidence):
        last = pods[-1]
        why = eviction_message(evidence, last)
        message = f"{len(pods)} pods in a row were evicted, pod {last.name} last: {why}"
        yield Symptom(kind=Kind.EVICTED, pod="", revision=last.revision, reason="Evicted", message=message)


def _pod_symptoms(pod: PodView) -> Iterator[Symptom]:
    symptom = partial(Symptom, pod=pod.name, revision=pod.revision)
    found = list(chain.from_iterable(_container_symptoms(pod, status) for status in pod.containers))
    yield from found
    if pod.unschedulable:
        message = pod.unschedulable
        yield symptom(kind=Kind.UNSCHEDULABLE, reason="Unschedulable", message=message, at=pod.created_at)
    elif not found and not pod.ready and pod.phase in _STARTED:
        message = f"{pod.phase.lower()} but not ready"
        yield symptom(kind=Kind.NOT_READY, reason="NotReady", message=message, at=pod.unready_since)


def _container_symptoms(pod: PodView, status: ContainerStatusView) -> Iterator[Symptom]:
    symptom = partial(Symptom, pod=pod.name, revision=pod.revision, container=status.name)
    if status.waiting in IMAGE_REASONS:
        yield symptom(kind=Kind.IMAGE, reason=status.waiting, message=status.message)
    elif status.waiting in CONFIG_REASONS:
        kind = Kind.OOM if _KILLED_AT_START in status.message else Kind.CONFIG
        yield symptom(kind=kind, reason=status.waiting, message=status.message)
    elif (end := _last_failure(status)) is not None and not _is_past(pod, status):
        oom = _counts_as_oom(status, end)
        yield symptom(
            kind=Kind.OOM if oom else Kind.CRASH,
            reason=OOM_KILLED if oom else status.waiting or end.reason or "Error",
            message=end.message,
            exit_code=end.exit_code,
            at=end.finished_at,
            active=status.running_since is None,
        )


def _last_failure(status: ContainerStatusView) -> Termination | None:
    """The latest termination, if it was a failure (an OOM counter on a clean exit is not).

    For a container in back-off, trust the kubelet: one that exits at once with code 0 does not run either.
    """
    latest = next((termination for termination in status.terminations if not _was_aborted(termination)), None)
    if status.waiting == CRASH_LOOP and (latest is not None or not status.terminations):
        return latest or Termination()
    return latest if latest is not None and latest.exit_code != 0 else None


def _is_past(pod: PodView, status: ContainerStatusView) -> bool:
    """Report whether the pod lost its readiness in the current run, so that no earlier end is what is wrong now."""
    since, unready = status.running_since, pod.unready_since
    return since is not None and unready is not None and unready > since


def _was_aborted(termination: Termination) -> bool:
    """Report whether the kubelet stopped while it started the container: the program is not to blame."""
    return termination.reason == _START_ERROR and _CANCELED in termination.message


def _counts_as_oom(status: ContainerStatusView, latest: Termination) -> bool:
    """An OOM kill is sometimes reported as 137/Error: a 137 counts beside a recorded OOMKilled, but not alone."""
    recorded = any(is_oom(termination) for termination in status.terminations)
    named = is_oom(latest) or _KILLED_AT_START in latest.message
    return named or (latest.exit_code == SIGKILL_EXIT and recorded)
