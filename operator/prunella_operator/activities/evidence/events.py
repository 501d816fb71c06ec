"""Warning Events: those of the namespace, and the few of them that are evidence."""

from collections import Counter
from collections.abc import Iterator

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.times import parse_time
from prunella_workflows.decisions.diagnosis.startup import NODE_ASKED_FOR
from prunella_workflows.decisions.diagnosis.symptoms import find_symptoms
from prunella_workflows.model.evidence import EventView, Evidence
from prunella_workflows.model.redaction import redact

_MAX_EVENTS = 20
_MAX_OF_ONE_REASON = 3  # of one object, so that a pod's other events do not crowd out those on its probe
_MAX_MESSAGE_CHARS = 400
_NOISE = frozenset({"MissingClusterDNS", "DNSConfigForming"})  # about the node, never the fault of a workload


def read_warnings(kube: SyncClient, evidence: Evidence) -> list[Object]:
    """The warnings of the namespace, oldest first; for unschedulable pods also whether a node was requested."""
    path = paths.core(evidence.workload.ref.namespace, "events")
    reasons = NODE_ASKED_FOR if any(pod.unschedulable for pod in evidence.live_pods) else ()
    selectors = ("type=Warning", *(f"reason={reason}" for reason in reasons))
    events = [event for selector in selectors for event in kube.list(path, fieldSelector=selector)]
    return sorted((event for event in events if event.get("reason") not in _NOISE), key=_event_time)


def select_events(evidence: Evidence, warnings: list[Object]) -> Iterator[EventView]:
    """The newest warnings about the workload and its failing pods, only a few for each reason."""
    names = {evidence.workload.ref.name, *(symptom.pod for symptom in find_symptoms(evidence.live_pods))}
    kept: list[Object] = []
    counts: Counter[tuple[str, str]] = Counter()
    for warning in reversed(warnings):
        name, reason = (warning.get("involvedObject") or {}).get("name", ""), warning.get("reason", "")
        counts[name, reason] += 1
        if name in names and counts[name, reason] <= _MAX_OF_ONE_REASON:
            kept.append(warning)
    for event in reversed(kept[:_MAX_EVENTS]):
        yield EventView(
            about=event["involvedObject"]["name"],
            reason=event.get("reason", ""),
            message=redact(event.get("message", ""))[:_MAX_MESSAGE_CHARS],
            count=event.get("count") or 1,
            at=parse_time(_event_time(event) or None),
        )


def _event_time(raw: Object) -> str:
    return str(raw.get("lastTimestamp") or raw.get("eventTime") or "")
