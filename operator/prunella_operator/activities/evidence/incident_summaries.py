"""Summaries of the other incidents. In a storm each of hundreds reads all others: they share one recent read.

Nothing that must be exact is decided on it (see `repair_slots`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

from prunella_operator import clock
from prunella_operator.incidents.view import IncidentView, Metadata, Status
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.decisions.autonomy.trials import trial_of_plan, trials_of_attempts
from prunella_workflows.model.aftermath import Aftermath
from prunella_workflows.model.autonomy import Trial
from prunella_workflows.model.evidence import IncidentSummary
from prunella_workflows.model.incident_status import CausedBy

_MAX_AGE_SECONDS = 2.0


@dataclass
class _Page:
    lock: Lock = field(default_factory=Lock)
    read_at: float = float("-inf")
    summaries: tuple[IncidentSummary, ...] = ()


class IncidentSummaryCache:
    """Summaries of the incidents of a namespace. Thread-safe; a read is reused for `max_age` seconds."""

    def __init__(self, kube: SyncClient, max_age: float = _MAX_AGE_SECONDS) -> None:
        self._kube = kube
        self._max_age = max_age
        self._pages: dict[str, _Page] = {}

    def get(self, namespace: str) -> tuple[IncidentSummary, ...]:
        """All of them. A call during a read waits for it."""
        page = self._pages.setdefault(namespace, _Page())
        with page.lock:
            begun = clock.monotonic()
            if begun - page.read_at > self._max_age:
                page.summaries = tuple(map(summarize, self._kube.list(paths.incidents(namespace))))
                page.read_at = begun
            return page.summaries


def summarize(raw: Object) -> IncidentSummary:
    """The facts that budgets, cooldowns and correlation need."""
    incident = IncidentView.from_object(raw)
    meta, status = incident.metadata, incident.status
    return IncidentSummary(
        name=meta.name,
        namespace=meta.namespace,
        # A source always names the top owner; a person may name a pod, which is not the target before it is resolved.
        workload=status.target or (incident.requested_target if incident.spec.get("target") else ""),
        phase=status.phase,
        opened_at=meta.creation_timestamp,
        repaired_at=status.times.repaired_at,
        closed_at=status.times.closed_at,
        caused_by=CausedBy.model_validate(status.caused_by) if status.caused_by else None,
        source=incident.detector,
        alert_since=incident.alert_since,
        type=str(incident.spec.get("type", "")),
        container=str(incident.spec.get("containerName") or ""),
        reason=status.reason,
        root_cause=status.root_cause,
        attempts=tuple(made for made in status.made_attempts if made.written_at) if incident.is_resolved else (),
        workload_uid=str((status.autonomy or {}).get("workloadUid", "")),
        failures=tuple(_failures(meta, status)) if status.autonomy is not None else (),
    )


def _failures(meta: Metadata, status: Status) -> Iterator[Trial]:
    """The failures of an incident: its repairs that failed, and its observed plan."""
    assert status.autonomy is not None
    yield from trials_of_attempts(meta.name, status.made_attempts, status.times.closed_at or meta.creation_timestamp)
    if status.aftermath:
        found = Aftermath.model_validate(status.aftermath)
        plan = trial_of_plan(meta.name, str(status.autonomy.get("action", "")), found)
        if plan is not None and not plan.succeeded:
            yield plan
