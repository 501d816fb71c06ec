"""How a ClusterHealingPolicy wants alerts from Alertmanager to be handled."""

import re
from enum import StrEnum

from pydantic import field_validator

from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration
from prunella_workflows.model.incident import IncidentType, Severity

_REPETITIONS = 4  # of one pattern for alert names


class AlertHandlingMode(StrEnum):
    """What an alert leads to: Heal opens an incident and tells people, Notify only tells, Record does neither."""

    HEAL = "Heal"
    NOTIFY = "Notify"
    RECORD = "Record"


class AlertLabels(Value):
    """Which labels of an alert name its workload, where they are not the usual ones. None: the usual one.

    `workload` may name a workload of any kind, whose kind is in the label `workload_type`, if there is one.
    """

    namespace: str | None = None
    pod: str | None = None
    container: str | None = None
    workload: str | None = None
    workload_type: str | None = None


class AlertRule(Value):
    """How alerts of some names are handled. What is not set comes from the built-in rule of that name."""

    name: str
    alertname: str
    type: IncidentType | None = None
    severity: Severity | None = None
    handling: AlertHandlingMode | None = None
    labels: AlertLabels = AlertLabels()
    channels: tuple[str, ...] | None = None

    @field_validator("alertname")
    @classmethod
    def _is_a_simple_pattern(cls, pattern: str) -> str:
        """A pattern that takes long to match would hold up all alerts, so repeated groups are refused.

        Raises:
            ValueError: it is no regular expression, or not a simple one.
        """
        if re.search(r"\)[*+?{]", pattern) or sum(map(pattern.count, "*+?{")) > _REPETITIONS:
            raise ValueError(f"{pattern!r} must not repeat groups, nor repeat more than {_REPETITIONS} times")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return pattern


class AlertPolicy(Value):
    """How alerts from Alertmanager are handled: the rules, whom to tell, and for how long a repeat tells nobody again.

    `silence` is WhileRepairing (in Alertmanager, while a repair is being made) or Never. Channels and the ticket system
    are names of Secrets in Prunella's own namespace.
    """

    rules: tuple[AlertRule, ...] | None = None
    channels: tuple[str, ...] | None = None
    ticket: str | None = None
    window: Duration | None = None
    silence: str | None = None
