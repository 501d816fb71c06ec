"""Opening: what the Incident of a signal looks like, and whether there has to be a new one.

Shared by all who open incidents (the intake for what is watched, an activity for alerts), so that two observations of
one fault make one Incident: the name is derived from the workload and the incident before it. No I/O.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.workloads import template_hash, template_of, workload_key
from prunella_operator.observability import tracing
from prunella_workflows.model.incident import IncidentType, Mode
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.labels import (
    API_VERSION,
    DETECTED_AT,
    FAULT,
    FAULT_AT,
    HEAL,
    SOURCE,
    TRACEPARENT,
    WITHDRAWN_BY_ALERT,
    WORKLOAD,
)
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef

REOPEN_WINDOW = timedelta(minutes=30)
"""A fault that shows itself again within this time was never gone. The kubelet's back-off ends at 5 minutes."""

_SETTLED = frozenset({Phase.HEALED, Phase.RECOVERED})


def earlier_selectors(target: WorkloadRef) -> tuple[str, str]:
    """Label selectors of the incidents that may be about a workload: ours by their label, and those of people."""
    return f"{WORKLOAD}={workload_key(target)}", f"!{WORKLOAD}"


def find_covering_incident(earlier: list[Object], fault: str, seen: datetime | None, now: datetime) -> Object | None:
    """The incident that covers this fault already: an open one, or one that people have and whose fault goes on.

    `seen` is when the fault last showed itself, if somebody remembers; else it is when that incident was closed.
    """
    opened = next((one for one in earlier if not phase_of(one).closed), None)
    last = latest(earlier)
    if opened is not None or last is None or is_resolved(last):
        return opened
    same = (last["metadata"].get("annotations") or {}).get(FAULT) == fault
    known = seen or _closed_at(last)
    return last if same and known is not None and now - known <= REOPEN_WINDOW else None


def find_resolved_since(earlier: list[Object], observed_at: datetime) -> Object | None:
    """The incident that an observation would have joined, had it been acted on at once: it ended well since then."""
    last = latest(earlier)
    closed = _closed_at(last) if last is not None and is_resolved(last) else None
    return last if closed is not None and observed_at < closed else None


def predates_repair(fault_at: datetime | None, earlier: list[Object]) -> bool:
    """Whether a fault happened before the repair that healed it: it is seen late, by an operator that was away."""
    last = latest(earlier)
    if last is None or fault_at is None or phase_of(last) is not Phase.HEALED:
        return False
    repaired = ((last.get("status") or {}).get("times") or {}).get("repairedAt")
    return repaired is not None and fault_at <= datetime.fromisoformat(repaired)


def new_incident(signal: Signal, target: WorkloadRef, fault: str, earlier: list[Object]) -> Object:
    """The Incident that a signal opens."""
    annotations = {DETECTED_AT: signal.observed_at.isoformat(), FAULT: fault}
    if signal.fault_at is not None:
        annotations[FAULT_AT] = signal.fault_at.isoformat()
    if context := tracing.current():
        annotations[TRACEPARENT] = str(context)
    spec: Object = {
        "type": signal.type.value,
        "severity": signal.severity.value,
        "description": _description(signal),
        **({"containerName": signal.container} if signal.container else {}),
        **_address(signal, target),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Incident",
        "metadata": {
            "name": _name(target, earlier),
            "namespace": signal.namespace,
            "labels": {WORKLOAD: workload_key(target), SOURCE: signal.source},
            "annotations": annotations,
        },
        "spec": spec,
    }


def fault_fingerprint(target: WorkloadRef, raw: Object, namespace: Object, policies: Iterable[Object]) -> str:
    """What must change for a fault to count as another one: the object, its template, or what may be done about it.

    `policies` are all of the namespace and of the cluster; those count that select this workload.
    """
    place, labels = namespace["metadata"].get("labels") or {}, raw["metadata"].get("labels") or {}
    rules = sorted(_edition(policy) for policy in policies if _selects(policy, place, labels))
    text = f"{target.uid}/{template_hash(template_of(raw))}/{place.get(HEAL, '')}/{rules}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _selects(policy: Object, namespace_labels: dict[str, str], workload_labels: dict[str, str]) -> bool:
    spec = policy.get("spec") or {}
    return all(
        labels.get(key) == value
        for name, labels in (("namespaceSelector", namespace_labels), ("selector", workload_labels))
        for key, value in ((spec.get(name) or {}).get("matchLabels") or {}).items()
    )


def _edition(policy: Object) -> str:
    """A policy as it is now: the API server counts the changes of its spec."""
    meta = policy["metadata"]
    return f"{meta['uid']}/{meta.get('generation', 0)}"


def targets_workload(raw: Object, target: WorkloadRef) -> bool:
    """Whether an incident that a person opened is there to heal this workload."""
    spec, found = raw.get("spec") or {}, (raw.get("status") or {}).get("target", "")
    wanted = spec.get("target") or {"kind": "Pod", "name": spec.get("podName")}
    return spec.get("mode") != Mode.DRY_RUN and str(target) in {found, f"{wanted['kind']}/{wanted['name']}"}


def latest(earlier: list[Object]) -> Object | None:
    """The newest of a workload's incidents."""
    return max(earlier, key=_created, default=None)


def phase_of(raw: Object) -> Phase:
    """Where an incident stands; one without a status is Pending."""
    return Phase((raw.get("status") or {}).get("phase") or Phase.PENDING)


def is_resolved(raw: Object) -> bool:
    """Whether an incident ended because its fault was gone: the next signal is another fault."""
    withdrawn = WITHDRAWN_BY_ALERT in (raw["metadata"].get("annotations") or {})
    return phase_of(raw) in _SETTLED or (withdrawn and phase_of(raw) is Phase.CANCELLED)


def _address(signal: Signal, target: WorkloadRef) -> Object:
    if target.kind == "Pod":
        return {"podName": signal.name}
    return {"target": {"apiVersion": target.api_version, "kind": target.kind, "name": target.name}}


def _description(signal: Signal) -> str:
    where = f" in container {signal.container}" if signal.container else ""
    text = f"{signal.kind} {signal.name}: {signal.reason}{where}"
    if signal.type is IncidentType.POD_CRASH_LOOP and signal.restarts:
        text += f" after {signal.restarts} restart(s)"
    return text[:1000]


def _name(target: WorkloadRef, earlier: list[Object]) -> str:
    """The same for everyone who sees the same workload with the same past."""
    last = latest(earlier)
    past = last["metadata"]["uid"] if last else ""
    digest = hashlib.sha256(f"{target.uid}/{past}".encode()).hexdigest()[:8]
    return f"{target.name[:50].rstrip('-.')}-{digest}"


def _created(raw: Object) -> tuple[str, str]:
    return raw["metadata"]["creationTimestamp"], raw["metadata"]["name"]


def _closed_at(raw: Object) -> datetime | None:
    text = ((raw.get("status") or {}).get("times") or {}).get("closedAt")
    return datetime.fromisoformat(text) if text else None
