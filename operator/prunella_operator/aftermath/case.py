"""The facts from which an aftermath is judged: the plan, and what the cluster remembers afterwards."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from prunella_operator.kubernetes.api import Object
from prunella_workflows.model.plan import Step


@dataclass(frozen=True)
class Observed:
    """An observed incident of a type (`kind`): the step that was shown, diagnosed at `since`, and its end.

    `horizon`: how long after its end a change counts. `by_alert`: an alert opened it, which was resolved at `resolved`.
    `has_checks`: the policy's own measurements decide whether a repair helped. `stopped_by`: the guard that would have
    blocked the plan in mode Heal; `asked_by`: the one that would have asked a person.
    """

    step: Step
    kind: str
    since: datetime
    closed_at: datetime
    horizon: timedelta = timedelta(hours=24)
    by_alert: bool = False
    resolved: datetime | None = None
    has_checks: bool = False
    stopped_by: str = ""
    asked_by: str = ""

    @property
    def deadline(self) -> datetime:
        """The time at which it is judged at the latest."""
        return self.closed_at + self.horizon


class LaterIncident(NamedTuple):
    """An incident of the same workload that was opened later, and the time of its fault."""

    at: datetime
    kind: str


@dataclass(frozen=True)
class Afterwards:
    """The facts that the cluster remembers: the workload (None: it is gone), its controller's revisions, and its pods,
    all as the API server sends them. `well_unchanged`: an earlier look found it well for a while, and not changed yet.
    """

    read_at: datetime
    workload: Object | None
    revisions: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    later: tuple[LaterIncident, ...] = ()
    well_unchanged: bool = False
