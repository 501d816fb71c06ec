"""What the pages show: filters, rows, the story of one incident. Values only; the templates lay them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prunella_operator.console.timeline import moments
from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import age
from prunella_operator.reporting.statistics import OUTCOMES, days, figures
from prunella_workflows.model.incident_status import Phase

STATES = ("open", "closed", "all")
_ROWS = 200
_TONE = {
    Phase.AWAITING_APPROVAL: "warn",
    Phase.HEALED: "good",
    Phase.RECOVERED: "good",
    Phase.ESCALATED: "bad",
    Phase.FAILED: "bad",
}


@dataclass(frozen=True)
class Filter:
    """What a person wants to see; anything that makes no sense shows everything."""

    state: str = "all"
    namespace: str = ""
    cause: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        """The filter in a page's address."""
        state = query.get("state", "all")
        return cls(
            state if state in STATES else "all",
            query.get("namespace", "")[:63],
            query.get("cause", "")[:63],
            query.get("text", "").strip()[:100],
        )

    def lets(self, incident: Incident) -> bool:
        """Whether an incident is wanted."""
        words = f"{incident.namespace}/{incident.name} {incident.target} {incident.status.message}".lower()
        return (
            (self.state == "all" or incident.phase.closed == (self.state == "closed"))
            and self.namespace in ("", incident.namespace)
            and self.cause in ("", incident.status.root_cause)
            and self.text.lower() in words
        )


def overview(incidents: Sequence[Incident], wanted: Filter, now: datetime) -> dict[str, Any]:
    """The front page: figures, the chart, and the incidents that the filter lets, newest first."""
    shown = [incident for incident in reversed(incidents) if wanted.lets(incident)]
    return {
        "filter": wanted,
        "states": STATES,
        "namespaces": sorted({incident.namespace for incident in incidents}),
        "causes": sorted({incident.status.root_cause for incident in incidents if incident.status.root_cause}),
        "figures": figures(incidents),
        "days": days(incidents, now.date()),
        "outcomes": OUTCOMES,
        "rows": [row(one, now) for one in shown[:_ROWS]],
        "hidden": max(0, len(shown) - _ROWS),
        "total": len(incidents),
    }


def row(incident: Incident, now: datetime) -> dict[str, Any]:
    """One line of the list."""
    return {"incident": incident, "tone": tone(incident.phase), "age": age(incident.metadata.creation_timestamp, now)}


def tone(phase: Phase) -> str:
    """How a phase bodes: good, bad, warn (somebody must act), or busy, or nothing."""
    return _TONE.get(phase, "" if phase.closed else "busy")


def page(incident: Incident, now: datetime, workflow_url: str, answers: Sequence[str]) -> dict[str, Any]:
    """One incident's page; `answers` is what the person at it may answer now."""
    return {
        "incident": incident,
        "status": incident.status,
        "tone": tone(incident.phase),
        "age": age(incident.metadata.creation_timestamp, now),
        "moments": moments(incident),
        "workflow_url": workflow_url,
        "answers": answers,
    }


def possible(incident: Incident) -> list[str]:
    """What can be answered to an incident as it stands."""
    if incident.phase.closed:
        return ["ack"] if incident.phase is Phase.ESCALATED and not incident.spec.acknowledged else []
    asked = ["approve", "reject"] if incident.phase is Phase.AWAITING_APPROVAL and not incident.spec.approval else []
    return [*asked, "resume" if incident.spec.suspend else "suspend", "cancel"]
