"""Values for the console's pages; the templates lay them out. Pure functions, but for what viewers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prunella_operator import clock
from prunella_operator.incidents.client import Incident, Listed
from prunella_operator.presentation.terminal import age
from prunella_operator.presentation.timeline import PHASE_TONES, timeline
from prunella_operator.reporting.shadow import score
from prunella_operator.reporting.statistics import OUTCOMES, compute_stats, count_per_day
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import NOT_APPROVER

STATES = ("open", "closed", "all")
_MAX_ROWS = 200
_SHARED_SECONDS = 2.0
_MAX_NAME = 63  # characters in a Kubernetes label
_MAX_TEXT = 100  # characters


@dataclass(frozen=True)
class Filter:
    """The filter of the overview; an invalid state shows everything."""

    state: str = "all"
    namespace: str = ""
    cause: str = ""
    text: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filter":
        """The filter in a page's address."""
        state = query.get("state", "all")
        return cls(
            state if state in STATES else "all",
            query.get("namespace", "")[:_MAX_NAME],
            query.get("cause", "")[:_MAX_NAME],
            query.get("text", "").strip()[:_MAX_TEXT],
        )

    def matches(self, incident: Listed) -> bool:
        """True if the incident is to be shown."""
        searched = f"{incident.namespace}/{incident.name} {incident.target} {incident.status.message}".lower()
        return (
            (self.state == "all" or incident.phase.closed == (self.state == "closed"))
            and self.namespace in ("", incident.namespace)
            and self.cause in ("", incident.status.root_cause)
            and self.text.lower() in searched
        )


def overview_page(incidents: Sequence[Listed], wanted: Filter, now: datetime) -> dict[str, Any]:
    """The front page: statistics, the chart, and the incidents that match the filter, newest first."""
    shown = [incident for incident in reversed(incidents) if wanted.matches(incident)]
    return {
        "filter": wanted,
        "states": STATES,
        "namespaces": sorted({incident.namespace for incident in incidents}),
        "causes": sorted({incident.status.root_cause for incident in incidents if incident.status.root_cause}),
        "stats": compute_stats(incidents),
        "shadow": _shadow_line(incidents),
        "days": count_per_day(incidents, now.date()),
        "outcomes": OUTCOMES,
        "rows": [_row(incident, now) for incident in shown[:_MAX_ROWS]],
        "hidden": max(0, len(shown) - _MAX_ROWS),
        "total": len(incidents),
    }


def _shadow_line(incidents: Sequence[Listed]) -> str:
    """The shadow score, as `prunella report --shadow` prints it; "" where nothing was only observed."""
    observed = [one for one in incidents if one.phase is Phase.DRY_RUN_DONE and one.status.plan]
    return score(observed).sentence if observed else ""


class Overviews:
    """Overview pages of the last two seconds. Viewers share them, so that ten cost little more than one."""

    def __init__(self) -> None:
        self._made: dict[Filter, tuple[float, dict[str, Any]]] = {}

    def page(self, incidents: Sequence[Listed], wanted: Filter) -> dict[str, Any]:
        """The page of these incidents, or one that was made for the same filter a moment ago."""
        at = clock.monotonic()
        self._made = {key: made for key, made in self._made.items() if at - made[0] < _SHARED_SECONDS}
        if wanted not in self._made:
            self._made[wanted] = at, overview_page(incidents, wanted, clock.now())
        return self._made[wanted][1]


def incident_page(incident: Incident, now: datetime, workflow_url: str, actions: Sequence[str]) -> dict[str, Any]:
    """One incident's page; `actions` are those offered to this user."""
    return {
        **_row(incident, now),
        "status": incident.status,
        "moments": timeline(incident),
        "workflow_url": workflow_url,
        "actions": actions,
    }


def _row(incident: Listed, now: datetime) -> dict[str, Any]:
    tone = PHASE_TONES.get(incident.phase, "" if incident.phase.closed else "busy")
    return {"incident": incident, "tone": tone, "age": age(incident.metadata.creation_timestamp, now)}


def possible_actions(incident: Incident) -> list[str]:
    """The actions that apply to an incident as it stands."""
    if incident.phase.closed:
        return ["ack"] if incident.phase is Phase.ESCALATED and not incident.spec.acknowledged else []
    waiting = incident.phase is Phase.AWAITING_APPROVAL
    undecided = waiting and (not incident.spec.approval or is_refused(incident))
    return [*(["approve", "reject"] if undecided else []), "resume" if incident.spec.suspend else "suspend", "cancel"]


def is_refused(incident: Incident) -> bool:
    """True while an incident waits on because the person who answered is no approver."""
    return incident.phase is Phase.AWAITING_APPROVAL and incident.status.reason == NOT_APPROVER
