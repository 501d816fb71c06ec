"""The shadow score: what became of incidents that were only observed, and of their plans. Pure functions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from prunella_operator.incidents.client import Listed
from prunella_operator.reporting.statistics import Percentiles
from prunella_workflows.model.aftermath import AftermathOutcome
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident_status import Phase


@dataclass(frozen=True)
class Score:
    """The observed incidents with a plan, of one workload or of all, by what became of them.

    `lead`: seconds from the end of an incident to the same change by people; None without one. `waiting`: not judged
    yet.
    """

    name: str
    incidents: int
    healed: int
    lead: Percentiles
    plan_failed: int
    another_way: int
    recovered: int
    persisted: int
    deleted: int
    not_known: int
    waiting: int

    @property
    def sentence(self) -> str:
        """The score in one sentence; what did not happen is left out."""
        lead = f", in the median {format_duration(self.lead.median)} before people did" if self.lead.median else ""
        parts = [f"{self.healed} would have been healed{lead}", *_parts(self)]
        return f"Of {self.incidents} observed incident{_s(self.incidents)} with a plan, {'; '.join(parts)}."


@dataclass(frozen=True)
class ShadowReport:
    """The score of a period, in all and by workload, the largest first. `planless`: incidents that showed no plan."""

    since: datetime
    until: datetime
    namespace: str | None
    total: Score
    workloads: tuple[Score, ...]
    planless: int


def build_shadow(
    incidents: Iterable[Listed], since: datetime, until: datetime, *, namespace: str | None = None
) -> ShadowReport:
    """The report on the observed incidents that were opened between `since` and `until`."""
    observed = [
        incident
        for incident in incidents
        if incident.phase is Phase.DRY_RUN_DONE and since <= incident.metadata.creation_timestamp <= until
    ]
    planned = [incident for incident in observed if incident.status.plan]
    groups: dict[str, list[Listed]] = {}
    for incident in planned:
        groups.setdefault(f"{incident.namespace}/{incident.target}", []).append(incident)
    scores = (score(group, name) for name, group in groups.items())
    return ShadowReport(
        since=since,
        until=until,
        namespace=namespace,
        total=score(planned),
        workloads=tuple(sorted(scores, key=lambda one: (-one.incidents, one.name))),
        planless=len(observed) - len(planned),
    )


def score(planned: Sequence[Listed], name: str = "all") -> Score:
    """The score of observed incidents with a plan."""
    found = Counter(one.status.aftermath.outcome for one in planned if one.status.aftermath)
    return Score(
        name=name,
        incidents=len(planned),
        healed=found[AftermathOutcome.SAME_CHANGE],
        lead=Percentiles.from_values(map(_lead, planned)),
        plan_failed=found[AftermathOutcome.SAME_CHANGE_FAILED],
        another_way=found[AftermathOutcome.OTHER_CHANGE],
        recovered=found[AftermathOutcome.RECOVERED],
        persisted=found[AftermathOutcome.PERSISTED],
        deleted=found[AftermathOutcome.DELETED],
        not_known=found[AftermathOutcome.NOT_KNOWN],
        waiting=len(planned) - found.total(),
    )


def _lead(incident: Listed) -> float | None:
    """Seconds by which the plan was earlier than people."""
    aftermath, closed_at = incident.status.aftermath, incident.status.times.closed_at
    if aftermath is None or aftermath.outcome is not AftermathOutcome.SAME_CHANGE:
        return None
    changed_at = aftermath.changed_at
    return max(0.0, (changed_at - closed_at).total_seconds()) if changed_at and closed_at else None


def _parts(score: Score) -> Iterator[str]:
    for count, one, more in (
        (score.recovered, "went away without a change of the workload", ""),
        (score.plan_failed, "plan was wrong", "plans were wrong"),
        (score.another_way, "was healed in another way", "were healed in another way"),
        (score.persisted, "went on", ""),
        (score.deleted, "workload was deleted", "workloads were deleted"),
        (score.not_known, "is not known", "are not known"),
        (score.waiting, "is not judged yet", "are not judged yet"),
    ):
        if count:
            yield f"{count} {more if more and count > 1 else one}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
