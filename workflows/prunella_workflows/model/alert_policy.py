"""Alert rules of a ClusterHealingPolicy: the handling of alerts from Alertmanager."""

import re
from enum import StrEnum

from pydantic import field_validator

from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration
from prunella_workflows.model.incident import IncidentType, Severity

_REPETITIONS = 4  # of one pattern for alert names


class AlertHandlingMode(StrEnum):
    """Handling of an alert: Heal opens an incident and notifies people, Notify only notifies, Record does neither."""

    HEAL = "Heal"
    NOTIFY = "Notify"
    RECORD = "Record"


class AlertLabels(Value):
    """Labels of an alert that name its workload, where they differ from the usual ones."""

    namespace: str | None = None
    """The label with the namespace; unset: namespace."""
    pod: str | None = None
    """The label with the pod; unset: pod."""
    container: str | None = None
    """The label with the container; unset: container."""
    workload: str | None = None
    """The label with the workload, of any kind; unset: workload."""
    workload_type: str | None = None
    """The label with the kind of that workload; unset: workload_type."""


class AlertRule(Value):
    """Handling of alerts with matching names. An unset field falls back to the built-in rule of that name."""

    name: str
    """Name of the rule, for people."""
    alertname: str
    """A regular expression that the whole name must match. It must not repeat groups, nor repeat more than 4 times."""
    type: IncidentType | None = None
    """Type of the incident that the alert opens; unset: that of the built-in rule, or Other."""
    severity: Severity | None = None
    """Severity of the incident; unset: the alert's label severity."""
    handling: AlertHandlingMode | None = None
    """Heal opens an incident for the workload and notifies people, Notify only notifies people, Record does
    neither. Unset: that of the built-in rule, or Heal for Critical alerts and Notify for others."""
    labels: AlertLabels = AlertLabels()
    """Labels of the alert that name its workload, where they differ from the usual ones."""
    channels: tuple[str, ...] | None = None
    """Names of Secrets, as in alerts.channels; unset: those."""

    @field_validator("alertname")
    @classmethod
    def _reject_costly_pattern(cls, pattern: str) -> str:
        """Reject repeated groups: a pattern that is slow to match would delay all alerts.

        Raises:
            ValueError: the pattern is not a regular expression, or repeats too much.
        """
        if re.search(r"\)[*+?{]", pattern) or sum(map(pattern.count, "*+?{")) > _REPETITIONS:
            raise ValueError(f"{pattern!r} must not repeat groups, nor repeat more than {_REPETITIONS} times")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return pattern


class AlertPolicy(Value):
    """Handling of alerts from Alertmanager: rules, channels, and the time in which repeats are not notified again."""

    rules: tuple[AlertRule, ...] | None = None
    """Rules for alerts, in order; the first with a matching alertname decides, merged over the built-in rule of that
    name. Built-in: []."""
    channels: tuple[str, ...] | None = None
    """Names of Secrets in Prunella's own namespace that hold the addresses of the channels for alerts. Built-in: []."""
    ticket: str | None = None
    """Name of the Secret in Prunella's own namespace that holds the address of a ticket system. A critical alert
    that could not be repaired gets a ticket there. Built-in: "", no ticket."""
    window: Duration | None = None
    """Time after handling during which a repeated firing of the same alert waits, as a duration from 0s to 24h. If
    it still fires then, it is handled again. Built-in: 5m."""
    silence: str | None = None
    """Silencing of an alert in Alertmanager during the repair of its workload; needs the setting alertmanager_url.
    Built-in: WhileRepairing."""
