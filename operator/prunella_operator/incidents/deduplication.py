"""Deduplication: which Incident covers a fault already, and what a new one contains. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from secrets import token_hex

from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.kubernetes.views.templates import template_hash, template_of
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_operator.observability import tracing
from prunella_workflows.contracts.healing import UNDO_SUFFIX
from prunella_workflows.model import labels
from prunella_workflows.model.incident import IncidentType, Mode
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef

REOPEN_WINDOW = timedelta(minutes=30)
"""A workload that was well for so long has recovered. The kubelet's back-off ends at 5 minutes."""
MAX_DESCRIPTION = 1000  # characters

Earlier = Sequence[IncidentView]
"""The incidents of one workload."""

# These stay with people, or with the policy that they wrote, until the fault is gone. Failed and Suppressed ones do
# not: no one was notified.
_LASTING = frozenset({Phase.ESCALATED, Phase.CANCELLED, Phase.DRY_RUN_DONE})
# One fault of a pod shows in several ways, one after the other; the unspecific types say nothing about the way.
_FAMILIES = (
    frozenset({IncidentType.POD_CRASH_LOOP, IncidentType.OOM_KILLED, IncidentType.PROBE_FAILURE}),
    frozenset({IncidentType.IMAGE_PULL_FAILURE, IncidentType.CONFIG_ERROR}),
)
_UNSPECIFIC = frozenset({IncidentType.UNAVAILABLE, IncidentType.OTHER})


def earlier_selectors(target: WorkloadRef) -> tuple[str, str]:
    """Label selectors of the incidents that may be about a workload: those of sources, and those of people."""
    return f"{labels.WORKLOAD}={workload_key(target)}", f"!{labels.WORKLOAD}"


def find_covering_incident(earlier: Earlier, faults: Collection[str], kind: str, now: datetime) -> IncidentView | None:
    """The incident of a fault with these fingerprints: an open one, or a closed one whose fault was never seen gone.

    It depends on the incidents alone, so that another process, days later, decides the same.
    """
    open_one = next((incident for incident in earlier if not incident.closed), None)
    if open_one is not None:
        return open_one
    newest = sorted(earlier, key=_age_key, reverse=True)
    unsolved = takewhile(lambda each: not each.is_over and each.metadata.annotations.fault in faults, newest)
    return next((incident for incident in unsolved if _persists(incident, kind, now)), None)


def _persists(incident: IncidentView, kind: str, now: datetime) -> bool:
    """Check whether a fault of this type is the one of a closed incident."""
    closed_at = incident.status.times.closed_at
    recent = closed_at is not None and now - closed_at <= REOPEN_WINDOW
    return recent or (incident.status.phase in _LASTING and is_same_kind(incident.spec.get("type", ""), kind))


def is_same_kind(one: str, other: str) -> bool:
    """Check whether two types may be the same fault."""
    pair = {one, other}
    return len(pair) == 1 or not pair.isdisjoint(_UNSPECIFIC) or any(pair <= family for family in _FAMILIES)


def find_resolved_since(earlier: Earlier, observed_at: datetime) -> IncidentView | None:
    """The incident that an observation would have joined without its delay, and that was resolved since."""
    last = latest(earlier)
    closed_at = last.status.times.closed_at if last is not None and last.is_resolved else None
    return last if closed_at is not None and observed_at < closed_at else None


def predates_repair(fault_at: datetime | None, earlier: Earlier) -> bool:
    """Check whether a fault happened before the repair that healed it: an operator that was down observes it late."""
    last = latest(earlier)
    if last is None or fault_at is None or last.status.phase is not Phase.HEALED:
        return False
    repaired_at = last.status.times.repaired_at
    return repaired_at is not None and fault_at <= repaired_at


def new_incident(
    signal: Signal,
    target: WorkloadRef,
    fault: str,
    earlier: Earlier,
    *,
    description: str = "",
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """Build the Incident that a signal opens. A source may describe it in its own words, and annotate it."""
    annotations = {labels.DETECTED_AT: signal.observed_at.isoformat(), labels.FAULT: fault, **(annotations or {})}
    if signal.fault_at is not None:
        annotations[labels.FAULT_AT] = signal.fault_at.isoformat()
    if context := tracing.current():
        annotations[labels.TRACEPARENT] = str(context)
    reference = {"apiVersion": target.api_version, "kind": target.kind, "name": target.name}
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Incident",
        "metadata": {
            "name": _name(target, earlier),
            "namespace": signal.namespace,
            "labels": {labels.WORKLOAD: workload_key(target), labels.SOURCE: signal.source},
            "annotations": annotations,
        },
        "spec": {
            "type": signal.type.value,
            "severity": signal.severity.value,
            "description": (description or _description(signal))[:MAX_DESCRIPTION],
            **({"containerName": signal.container} if signal.container else {}),
            **({"podName": signal.name} if target.kind == "Pod" else {"target": reference}),
        },
    }


def fault_fingerprints(
    target: WorkloadRef, raw: Object, namespace: Object, policies: Iterable[Object]
) -> tuple[str, ...]:
    """Hash what makes a fault another one when it changes: the object, its template, or what may be done about it.

    `policies` are all of the namespace and of the cluster; those that select this workload count. A template that an
    undo of ours has put back has a second fingerprint, that of the template before: what fails since then is known.
    """
    namespace_labels, workload_labels = (each["metadata"].get("labels") or {} for each in (namespace, raw))
    rules = sorted(_generation(policy) for policy in policies if _selects(policy, namespace_labels, workload_labels))
    templates = (template_hash(template_of(raw)), *_undone_template(raw))
    texts = (f"{target.uid}/{template}/{namespace_labels.get(labels.HEAL, '')}/{rules}" for template in templates)
    return tuple(hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts)


def _undone_template(raw: Object) -> Iterator[str]:
    """Yield the hash of the template that our undo replaced, if the template is as the undo left it."""
    annotations = raw["metadata"].get("annotations") or {}
    undone = annotations.get(labels.LAST_ACTION, "").endswith(UNDO_SUFFIX)
    before = annotations.get(labels.BEFORE, "").rpartition("-prunella-")[2]
    if undone and before and annotations.get(labels.AFTER) == template_hash(template_of(raw)):
        yield before


def _selects(policy: Object, namespace_labels: dict[str, str], workload_labels: dict[str, str]) -> bool:
    spec = policy.get("spec") or {}
    selectors = (spec.get("namespaceSelector") or {}, namespace_labels), (spec.get("selector") or {}, workload_labels)
    return all(matches(selector, found) for selector, found in selectors)


def _generation(policy: Object) -> str:
    """A policy as it is now: the API server counts the changes of its spec."""
    meta = policy["metadata"]
    return f"{meta['uid']}/{meta.get('generation', 0)}"


def merge(target: WorkloadRef, by_sources: Iterable[IncidentView], by_people: Iterable[IncidentView]) -> Earlier:
    """Add to the incidents that sources opened those that people opened to have this workload healed.

    Anyone who may create an Incident can give it the label of a source, so its target counts.
    """
    name = str(target)
    opened = (each for each in by_sources if each.requested_target == name)
    asked = (each for each in by_people if name in (each.status.target, each.requested_target))
    return [each for each in (*opened, *asked) if each.spec.get("mode") != Mode.DRY_RUN]


def is_about(incident: IncidentView, target: WorkloadRef) -> bool:
    """Check whether a source opened this incident for this workload."""
    key = incident.metadata.labels.workload
    return key == workload_key(target) and bool(merge(target, (incident,), ()))


def latest(earlier: Earlier) -> IncidentView | None:
    """The newest of a workload's incidents."""
    return max(earlier, key=_age_key, default=None)


def _age_key(incident: IncidentView) -> tuple[datetime, str]:
    return incident.metadata.creation_timestamp, incident.metadata.name


def _description(signal: Signal) -> str:
    where = f" in container {signal.container}" if signal.container else ""
    text = f"{signal.kind} {signal.name}: {signal.reason}{where}"
    if signal.type is IncidentType.POD_CRASH_LOOP and signal.restarts:
        text += f" after {signal.restarts} restart(s)"
    return text


def _name(target: WorkloadRef, earlier: Earlier) -> str:
    """The same from every observer of the same workload with the same history: two observations make one Incident."""
    last = latest(earlier)
    previous = last.metadata.uid if last else ""
    return _with_suffix(target, hashlib.sha256(f"{target.uid}/{previous}".encode()).hexdigest()[:8])


def random_name(target: WorkloadRef) -> str:
    """A name that no one can have taken in advance."""
    return _with_suffix(target, token_hex(4))


def _with_suffix(target: WorkloadRef, suffix: str) -> str:
    return f"{target.name[:50].rstrip('-.')}-{suffix}"
