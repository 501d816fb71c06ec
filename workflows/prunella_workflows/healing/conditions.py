"""Conditions of an Incident's status: the machine-readable view, as Kubernetes defines it. Pure functions."""

from datetime import datetime

from prunella_workflows.model.incident_status import Condition

Conditions = tuple[Condition, ...]


def find_condition(conditions: Conditions, kind: str) -> Condition | None:
    """The condition of this type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def set_condition(
    conditions: Conditions, kind: str, status: str, *, reason: str, message: str, now: datetime
) -> Conditions:
    """Add or replace a condition; its transition time moves only when its status does."""
    old = find_condition(conditions, kind)
    since = old.last_transition_time if old is not None and old.status == status else now
    new = Condition(type=kind, status=status, reason=reason, message=message, last_transition_time=since)
    return (*(condition for condition in conditions if condition.type != kind), new)
