"""Results of decisions, each with a CamelCase reason and a message for people."""

from datetime import datetime
from enum import StrEnum

from prunella_workflows.model.base import Value
from prunella_workflows.model.incident_status import CausedBy


class Cause(StrEnum):
    """The root causes Prunella knows."""

    POD_OOM_KILLED = "pod_oom_killed"
    NODE_LOST = "node_lost"
    DEPENDENCY_DOWN = "dependency_down"
    BAD_RELEASE = "bad_release"
    CONFIG_MISSING = "config_missing"
    IMAGE_UNAVAILABLE = "image_unavailable"
    QUOTA_EXCEEDED = "quota_exceeded"
    ADMISSION_REFUSED = "admission_refused"
    NODE_PRESSURE = "node_pressure"
    UNSCHEDULABLE = "unschedulable"
    SANDBOX_FAILED = "sandbox_failed"
    VOLUME_UNAVAILABLE = "volume_unavailable"
    ENVIRONMENT_CHANGED = "environment_changed"
    POD_CRASH_LOOP = "pod_crash_loop"
    NETWORK_TIMEOUT = "network_timeout"
    HIGH_CPU = "high_cpu"
    HIGH_MEMORY = "high_memory"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """The result of a repair. Missing data is Inconclusive, never Healed."""

    HEALED = "Healed"
    NOT_HEALED = "NotHealed"
    WORSE = "Worse"
    INCONCLUSIVE = "Inconclusive"


NOT_APPROVER = "NotAnApprover"
"""The reason of an incident that waits on, because the person who answered is no approver."""
HOLDING = "Holding"
"""The reason of a repair that is healthy, but not for long enough yet."""
SERVED_BY_EXISTING_PODS = "ServedByExistingPods"
"""The reason of Healed where no pod was made after the repair: the workload's health is proven, the cause is not."""


class Rejected(Value):
    """A root cause that was considered and ruled out."""

    cause: Cause
    reason: str


class Diagnosis(Value):
    """The root cause, how sure we are (0 to 1), the facts that decided it, and the object outside of the workload that
    is to blame, if there is one.
    """

    cause: Cause
    confidence: float
    message: str
    container: str = ""
    decided_by: tuple[str, ...] = ()
    caused_by: CausedBy | None = None
    rejected: tuple[Rejected, ...] = ()


class Baseline(Value):
    """The state before a repair: pods `available`, kinds of symptom `failing`, and pods `unplaced`.

    `unplaced`: the pods that had no node before the fault was noticed, which the repair does not address.
    """

    available: int = 0
    failing: tuple[str, ...] = ()
    unplaced: int = 0


class Judgement(Value):
    """The state of a check: open (verdict None) or decided.

    Pass `calm_since` (without saturation) and `blind` (seconds in which it was impossible) to the next check.
    """

    verdict: Verdict | None = None
    reason: str
    message: str = ""
    calm_since: datetime | None = None
    blind: float = 0.0


def inconclusive(reason: str, message: str) -> Judgement:
    """A judgement that proves nothing."""
    return Judgement(verdict=Verdict.INCONCLUSIVE, reason=reason, message=message)


class Presence(StrEnum):
    """The presence of an incident's fault."""

    FAILING = "Failing"
    WATCHING = "Watching"
    RECOVERED = "Recovered"


class Sighting(Value):
    """The presence of the fault at one moment. `again`: seconds until the next poll; `calm_since`: see Judgement.

    `until`: the deadline that a start is given, before which nothing is decided.
    """

    presence: Presence
    reason: str
    message: str = ""
    again: float = 2.0
    calm_since: datetime | None = None
    until: datetime | None = None


class Effect(StrEnum):
    """The effect of a guard's result on the incident."""

    ALLOW = "Allow"
    SHOW_ONLY = "ShowOnly"
    SUPPRESS = "Suppress"
    ASK = "Ask"
    """A person must approve first; all else is decided."""
    WAIT = "Wait"
    ESCALATE = "Escalate"


class GuardResult(Value):
    """The result of one guard, and the next step for a person."""

    name: str
    effect: Effect = Effect.ALLOW
    reason: str = "Passed"
    message: str = ""
    next_step: str = ""

    @property
    def held(self) -> bool:
        """True if this guard blocks the repair."""
        return self.effect is not Effect.ALLOW
