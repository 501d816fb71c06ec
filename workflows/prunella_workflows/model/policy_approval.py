"""The part of a policy that says which repairs need a person's approval.

The docstring below a field is its description in the CRD (`make crds`).
"""

from enum import StrEnum

from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration


class ApprovalWhen(StrEnum):
    """Repairs that need approval."""

    NEVER = "Never"
    ALWAYS = "Always"
    BY_ACTION_OR_SEVERITY = "ByActionOrSeverity"


class ApprovalRule(Value):
    """Repairs that need approval, and the approvers: `NAME`, `user:NAME` or `group:NAME`; an empty list is everyone."""

    when: ApprovalWhen | None = None
    """Never requires no approval; Always requires it for every repair; ByActionOrSeverity requires it for the listed
    actions and for incidents of the listed severities."""
    actions: tuple[str, ...] | None = None
    """The actions that need approval, with when ByActionOrSeverity."""
    severities: tuple[str, ...] | None = None
    """The severities of incidents whose repairs need approval, with when ByActionOrSeverity."""
    timeout: Duration | None = None
    """Time to wait for a decision, as a duration of at least 1m, before the incident is escalated unrepaired."""
    approvers: tuple[str, ...] | None = None
    """The people who may decide, as NAME, user:NAME or group:NAME. Empty: everyone who may change the workload."""
