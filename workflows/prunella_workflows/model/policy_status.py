"""The status of a policy, written by Prunella's operator only."""

from prunella_workflows.model.autonomy import EarnedLevel
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident_status import Condition


class PolicyStatus(Value):
    """Validity of the policy, and the number of workloads that it selects. Written by Prunella only."""

    observed_generation: int = 0
    """The metadata.generation of the spec that this status is about."""
    matched_workloads: int = 0
    """Number of Deployments, StatefulSets and DaemonSets that the policy selects."""
    errors: tuple[str, ...] = ()
    """Errors of the spec, each with its field. Empty for a valid policy."""
    autonomy: tuple[EarnedLevel, ...] | None = None
    """The levels that actions have earned on the workloads that the policy selects, if it enables autonomy: the latest
    64."""
    conditions: tuple[Condition, ...] = ()
    """The condition Ready: True while the policy is valid, False while it has errors."""
