"""The incidents of other workloads: which of them is about a cause, and which of two waits for the other."""

from datetime import UTC, datetime, timedelta

from prunella_workflows.model.evidence import Evidence, IncidentSummary
from prunella_workflows.model.incident_status import Phase

_RECENTLY_CLOSED = timedelta(minutes=10)
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_ESCALATED = frozenset({Phase.ESCALATED, Phase.FAILED})


def others(evidence: Evidence, namespace: str = "") -> list[IncidentSummary]:
    """The other incidents of a namespace; of our own by default."""
    ours = evidence.workload.ref.namespace
    there = [other for other in evidence.incidents if other.namespace == (namespace or ours)]
    return [other for other in there if (other.namespace, other.name) != (ours, evidence.incident_name)]


def incident_about(workload: str, evidence: Evidence, namespace: str = "") -> IncidentSummary | None:
    """The open incident of a workload, or else its latest one if that was escalated."""
    about = [other for other in others(evidence, namespace) if other.workload == workload]
    still_open = [incident for incident in about if not incident.phase.closed]
    latest = max(still_open or about, key=age, default=None)
    return latest if latest is not None and (still_open or latest.phase in _ESCALATED) else None


def recent_about(workload: str, evidence: Evidence, namespace: str = "") -> IncidentSummary | None:
    """The latest incident of a workload that is open, or was closed shortly before ours was opened or later."""
    about = (other for other in others(evidence, namespace) if other.workload == workload)
    return max((other for other in about if is_recent(other, evidence)), key=age, default=None)


def is_recent(incident: IncidentSummary, evidence: Evidence) -> bool:
    """Report whether an incident is open, or closed shortly before ours was opened or later."""
    return incident.closed_at is None or incident.closed_at > evidence.opened_at - _RECENTLY_CLOSED


def waits_for_us(incident: IncidentSummary | None, evidence: Evidence) -> bool:
    """Report whether the dependency's incident waits for ours in the end, and ours is the oldest of that cycle."""
    by_name = {other.name: other for other in others(evidence)}
    cycle: list[IncidentSummary] = []
    while incident is not None and incident not in cycle:
        cycle.append(incident)
        cause = incident.caused_by.incident if incident.caused_by is not None else ""
        if cause and cause == evidence.incident_name:
            return all(own_age(evidence) < age(member) for member in cycle)
        incident = by_name.get(cause)
    return False


def age(incident: IncidentSummary) -> tuple[datetime, str]:
    """The order of incidents: the same for every observer, even if two were opened within one second."""
    return (incident.opened_at or _BEFORE_ALL, incident.name)


def own_age(evidence: Evidence) -> tuple[datetime, str]:
    """The place of our incident in that order."""
    return (evidence.opened_at, evidence.incident_name)
