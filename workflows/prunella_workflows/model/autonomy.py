"""Earned autonomy: the level that the track record of one action on one workload has earned, within the policy's mode.

The docstring below a field of `AutonomyRule` and of `AutonomyNote` is its description in the CRDs (`make crds`).
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value

MAX_TRIALS = 100_000
"""Successes or failures of an action that are counted. A record with more of them is damaged."""


class AutonomyLevel(StrEnum):
    """The freedom of one action on one workload: only shown, made after an approval, or made."""

    OBSERVE = "Observe"
    APPROVAL = "Approval"
    HEAL = "Heal"


class AutonomyRule(Value):
    """Autonomy that must be earned. It lowers what the rest of the policy allows, and never raises it."""

    enabled: bool | None = None
    """True: each action begins at Observe on each workload, and is raised to Approval and Heal by its track record.
    False: the mode and the rest of the policy decide alone."""
    confidence: float | None = None
    """Confidence of the lower bound of the success rate, at least 0.8 and at most 0.99. It holds for all promotions of
    one action on one workload together, however often the record is looked at."""
    approval_above: float | None = None
    """Lower bound of the success rate from which on repairs are made after an approval, from 0.1 to 0.95."""
    heal_above: float | None = None
    """Lower bound of the success rate from which on repairs are made, from 0.1 to 0.95."""
    clean_run: int | None = None
    """Number of successes in a row after which an earlier failure no longer lowers the level."""


class Trial(Value):
    """One verified repair or one observed plan: a success or a failure.

    `id`: the action id, or that of the change that people made.
    """

    id: str
    action: str
    succeeded: bool
    incident: str = ""
    at: datetime


class ActionRecord(Value):
    """All trials of one action on one workload, counted, and the latest of them, the last one last."""

    successes: int = Field(default=0, ge=0, le=MAX_TRIALS)
    failures: int = Field(default=0, ge=0, le=MAX_TRIALS)
    latest: tuple[Trial, ...] = ()


class TrackRecord(Value):
    """The trials of a workload, by action. `uid`: the workload's; `problem`: why the record cannot be read."""

    uid: str = ""
    workload: str = ""
    actions: dict[str, ActionRecord] = Field(default_factory=dict)
    problem: str = ""


class AutonomyNote(Value):
    """The level that an action has earned on a workload, with its reasons."""

    action: str = ""
    """The action of the next repair; empty while there is none."""
    level: AutonomyLevel
    """The level: Observe (the plan is shown), Approval (a person is asked), Heal (it is carried out)."""
    message: str = ""
    """The reasons: the track record, its lower bound and what the next level needs."""
    successes: int = 0
    """Number of verified repairs and observed plans that succeeded."""
    failures: int = 0
    """Number of failures: repairs that were undone or did not help, and observed plans that turned out wrong."""
    workload_uid: str = ""
    """UID of the workload whose record it is."""
    lowest: AutonomyLevel = AutonomyLevel.OBSERVE
    """The lowest level here: Approval where an observed plan of this action is never found to succeed."""


class EarnedLevel(Value):
    """The level of one action on one workload, as a policy's status shows it."""

    workload: str
    """The workload, as NAMESPACE/KIND/NAME."""
    action: str
    """The action."""
    level: AutonomyLevel
    """The level that is in force: the earned one, within the policy's mode."""
    message: str = ""
    """The reasons."""
