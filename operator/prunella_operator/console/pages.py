"""What the pages show: filters, rows, the story of one incident. Values only; the templates lay them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prunella_operator.console.timeline import moments
from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import age
from prunella_operator.reporting.statistics import OUTCOMES, days, figures
from prunella_workflows.model.incident import Phase

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

    def lets(self, one: Incident) -> bool:
        """Whether an incident is wanted."""
        words = f"{one.namespace}/{one.name} {one.target} {one.status.message}".lower()
        return (
            (self.state == "all" or one.phase.closed == (self.state == "closed"))
            and self.namespace in ("", one.namespace)
            and self.cause in ("", one.status.root_cause)
            and self.text.lower() in words
        )


def overview(incidents: Sequence[Incident], wanted: Filter, now: datetime) -> dict[str, Any]:
    """The front page: figures, the chart, and the incidents that the filter lets, newest first."""
    shown = [one for one in reversed(incidents) if wanted.lets(one)]
    return {
        "filter": wanted,
        "states": STATES,
        "namespaces": sorted({one.namespace for one in incidents}),
        "causes": sorted({one.status.root_cause for one in incidents if one.status.root_cause}),
        "figures": figures(incidents),
        "days": days(incidents, now.date()),
        "outcomes": OUTCOMES,
        "rows": [row(one, now) for one in shown[:_ROWS]],
        "hidden": max(0, len(shown) - _ROWS),
        "total": len(incidents),
    }


def row(one: Incident, now: datetime) -> dict[str, Any]:
    """One line of the list."""
    return {"incident": one, "tone": tone(one.phase), "age": age(one.metadata.creation_timestamp, now)}


def tone(phase: Phase) -> str:
    """How a phase bodes: good, bad, warn (somebody must act), or busy, or nothing."""
    return _TONE.get(phase, "" if phase.closed else "busy")


def page(one: Incident, now: datetime, workflow_url: str, answers: Sequence[str]) -> dict[str, Any]:
    """One incident's page; `answers` is what the person at it may answer now."""
    return {
        "incident": one,
        "status": one.status,
        "tone": tone(one.phase),
        "age": age(one.metadata.creation_timestamp, now),
        "moments": moments(one),
        "workflow_url": workflow_url,
        "answers": answers,
    }


def possible(one: Incident) -> list[str]:
    """What can be answered to an incident as it stands."""
    if one.phase.closed:
        return ["ack"] if one.phase is Phase.ESCALATED and not one.spec.acknowledged else []
    asked = ["approve", "reject"] if one.phase is Phase.AWAITING_APPROVAL and not one.spec.approval else []
    return [*asked, "resume" if one.spec.suspend else "suspend", "cancel"]
