"""OOM kills under another name. The kubelet sometimes reads the exit of a container before the reason of its kill, and
then reports 137/Error; a runtime that exits by itself, and a kill by the limit of the pod, are never called OOMKilled.

Exit code 137 alone proves nothing: liveness probes and people kill, too.
"""

import re
from collections.abc import Mapping
from datetime import timedelta

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import SIGKILL_EXIT, STABLE_AFTER, Kind, Symptom
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.workload import ContainerStatusView, PodView

_NEAR_LIMIT = 0.9
"""The share of the limit from which a kill is put down to it: measurements are some seconds older than the kill."""

_JVM = re.compile(r"\bjava\.lang\.OutOfMemoryError\b")
_JVM_EXITS = frozenset({1, 3, SIGKILL_EXIT})
"""ExitOnOutOfMemoryError exits with 3; an error that nothing catches ends the main thread with 1."""

_CHILD = re.compile(
    r"\b(?:oom[- ]?kill(?:ed|er)?|out of memory: killed process|killed by the oom killer|"
    r"sent SIGKILL! Perhaps out of memory)",
    re.IGNORECASE,
)
_PROBE_KILLS = ("Liveness probe", "Startup probe")
_NEXT_RUN_TIMEOUT = timedelta(seconds=60)
"""The kubelet's back-off starts a container again after 10, then 20 and 40 s, and the next run reports its own end."""


def may_be_kill(symptom: Symptom) -> bool:
    """Report whether this is an OOM kill, or may turn out to be one."""
    return symptom.kind is Kind.OOM or symptom.exit_code == SIGKILL_EXIT


def find_proof(symptom: Symptom, evidence: Evidence) -> str:
    """The evidence that a crash was an OOM kill although it is not called so; "" for none."""
    if symptom.kind is not Kind.CRASH or not symptom.exit_code:
        return ""
    return _words(symptom, evidence) or (_measurement(symptom, evidence) if may_be_kill(symptom) else "")


def is_by_node(symptom: Symptom, evidence: Evidence) -> bool:
    """Report whether a container was OOM-killed on a node that is short of memory, by no proof because of its limit."""
    node = next((pod.node for pod in evidence.live_pods if pod.name == symptom.pod), "")
    pressed = any(view.name == node and "MemoryPressure" in view.pressure for view in evidence.nodes)
    return may_be_kill(symptom) and pressed and not _measurement(symptom, evidence)


def _words(symptom: Symptom, evidence: Evidence) -> str:
    """The words of the program or of its parent process that tell of a kill."""
    lines = [*symptom.message.splitlines()]
    for tail in evidence.logs:
        lines += tail.lines if (tail.pod, tail.container) == (symptom.pod, symptom.container) else ()
    jvm = _JVM if symptom.exit_code in _JVM_EXITS else None
    said = (line for line in reversed(lines) if _CHILD.search(line) or (jvm and jvm.search(line)))
    line = next(said, "")
    return f'container {symptom.container} said: "{line.strip()}"' if line else ""


def _measurement(symptom: Symptom, evidence: Evidence) -> str:
    """The count of cAdvisor, or the memory in use if it was close to its limit."""
    name = symptom.container
    if name in evidence.memory_growing:
        return f"container {name}: memory grew up to the limit in each lifetime"
    pod = next((pod for pod in evidence.live_pods if pod.name == symptom.pod), None)
    used = [usage for usage in (evidence.usage.containers if evidence.usage else ()) if usage.pod == symptom.pod]
    if any(usage.oom_kills for usage in used if usage.container == name):
        return f"container {name}: cAdvisor counted an OOM kill"
    if pod is None:
        return ""
    own = sum(usage.memory_bytes or 0 for usage in used if usage.container == name)
    if own and own >= _NEAR_LIMIT * pod.memory_limits.get(name, float("inf")):
        return f"container {name}: {own >> 20} MiB of memory were in use, nearly its limit"
    whole = sum(usage.memory_bytes or 0 for usage in used)
    if pod.memory_limit is not None and whole >= _NEAR_LIMIT * pod.memory_limit:
        return f"pod {pod.name}: {whole >> 20} MiB of memory were in use, nearly the limit of the pod"
    return ""


def reason_pending(findings: Findings) -> str:
    """The reason for which it is too early to call a container's end by SIGKILL a crash; "" when it is not."""
    evidence = findings.evidence
    pods = {pod.name: pod for pod in evidence.current_pods}
    unclear = (failure for failure in findings.current_failures if _is_unclear(failure, pods, evidence))
    first = next(unclear, None)
    if first is None:
        return ""
    killed = f"Container {first.container} of pod {first.pod} was killed (exit code {SIGKILL_EXIT})"
    return f"{killed}, and the kubelet gives no reason; waiting for the end of its next run."


def _is_unclear(failure: Symptom, pods: Mapping[str, PodView], evidence: Evidence) -> bool:
    """Report whether a container with a memory limit ended by SIGKILL just now, and nothing says why."""
    pod = pods.get(failure.pod)
    if pod is None or failure.kind is not Kind.CRASH or failure.exit_code != SIGKILL_EXIT or failure.at is None:
        return False
    limited = failure.container in pod.memory_limits or pod.memory_limit is not None
    recent = evidence.read_at - failure.at < _NEXT_RUN_TIMEOUT
    possible = limited and recent and evidence.workload.ref.repairable
    return possible and not _was_seen_before(failure.container, evidence) and not _killed_by_probe(failure, evidence)


def _was_seen_before(container: str, evidence: Evidence) -> bool:
    """Report whether a second run ended so, or Prunella saw an earlier one end: the kubelet hardly misreads two."""
    statuses = [status for pod in evidence.current_pods for status in pod.containers if status.name == container]
    ends = [end for status in statuses for end in status.terminations if end.exit_code == SIGKILL_EXIT]
    seen = evidence.detected and any(_runs_ended(status) > 1 for status in statuses)
    return len(ends) > 1 or seen


def _runs_ended(status: ContainerStatusView) -> int:
    """The number of runs that ended. Those before a stable run are another story."""
    last = next(iter(status.terminations), None)
    if last is None or last.started_at is None or last.finished_at is None:
        return 0
    stable = last.finished_at - last.started_at >= STABLE_AFTER
    return 1 if stable else status.restarts + (status.running_since is None)


def _killed_by_probe(failure: Symptom, evidence: Evidence) -> bool:
    events = (event for event in evidence.events if event.about == failure.pod and event.reason == "Unhealthy")
    return any(probe in event.message for event in events for probe in _PROBE_KILLS)
