"""What decisions return: named results with a CamelCase reason and a message for people."""

from datetime import datetime
from enum import StrEnum

from prunella_workflows.model.base import Value


class Cause(StrEnum):
    """The root causes Prunella knows."""

    POD_OOM_KILLED = "pod_oom_killed"
    NODE_LOST = "node_lost"
    DEPENDENCY_DOWN = "dependency_down"
    BAD_RELEASE = "bad_release"
    POD_CRASH_LOOP = "pod_crash_loop"
    NETWORK_TIMEOUT = "network_timeout"
    HIGH_CPU = "high_cpu"
    HIGH_MEMORY = "high_memory"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """What came of a repair. No data is Inconclusive, never Healed."""

    HEALED = "Healed"
    NOT_HEALED = "NotHealed"
    WORSE = "Worse"
    INCONCLUSIVE = "Inconclusive"


class Rejected(Value):
    """A root cause that was considered and ruled out."""

    cause: Cause
    reason: str


class Diagnosis(Value):
    """The root cause, how sure we are (0 to 1), and the facts that decided it."""

    cause: Cause
    confidence: float
    message: str
    container: str = ""
    decided_by: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()


class Judgement(Value):
    """The state of a check at one moment: still open (verdict None) or decided.

    `calm_since` is since when measurements have shown no pressure; whoever looks again hands it back.
    """

    verdict: Verdict | None = None
    reason: str
    message: str = ""
    calm_since: datetime | None = None


class Presence(StrEnum):
    """Whether the fault of an incident is there."""

    FAILING = "Failing"
    WATCHING = "Watching"
    RECOVERED = "Recovered"


class Sighting(Value):
    """Whether the fault is there at one moment, and by what; `again` is in how many seconds to look again.

    `calm_since`: see Judgement.
    """

    presence: Presence
    reason: str
    message: str = ""
    again: float = 2.0
    calm_since: datetime | None = None


class Effect(StrEnum):
    """What a guard's answer does to the incident."""

    ALLOW = "Allow"
    SHOW_ONLY = "ShowOnly"
    SUPPRESS = "Suppress"
    ASK = "Ask"
    """A person must agree first; it decides nothing else."""
    WAIT = "Wait"
    ESCALATE = "Escalate"


class GuardResult(Value):
    """One guard's answer, and what a person can do about it."""

    name: str
    effect: Effect = Effect.ALLOW
    reason: str = "Passed"
    message: str = ""
    next_step: str = ""

    @property
    def held(self) -> bool:
        """Whether this guard holds the repair back."""
        return self.effect is not Effect.ALLOW
