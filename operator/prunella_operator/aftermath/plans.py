"""The plans of observed incidents, read from the histories of their workflows."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError
from temporalio.client import Client

from prunella_operator.temporal import rpc
from prunella_operator.temporal.histories import completed_calls
from prunella_workflows.contracts.healing import DiagnoseReport, workflow_id
from prunella_workflows.model.errors import InvalidIncident, NotFound
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.plan import Step
from prunella_workflows.model.validation import first_error

_TIMEOUT_SECONDS = 15.0
_STOPPING = frozenset(Effect) - {Effect.SHOW_ONLY, Effect.ASK}


class ShownPlan(NamedTuple):
    """The step that an observed incident showed, the time of its diagnosis, and whether the policy has own checks.

    `stopped_by`: the guard that would have blocked it in mode Heal as well; "" for none. `asked_by`: the one that would
    have asked a person.
    """

    step: Step
    at: datetime
    has_checks: bool
    stopped_by: str = ""
    asked_by: str = ""


class PlanReader:
    """Reads plans from Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, uid: str) -> ShownPlan | None:
        """The last plan of an incident; None if Temporal has no workflow of it, or it had no plan.

        Raises TemporalUnavailable; InvalidIncident if another version wrote it.
        """
        handle = self._client.get_workflow_handle(workflow_id(uid))
        try:
            history = await rpc.call(handle.fetch_history(), _TIMEOUT_SECONDS)
        except NotFound:
            return None
        calls = list(completed_calls(history, "diagnose"))
        if not calls:
            return None
        try:
            (report,) = await self._client.data_converter.decode(calls[-1].result.payloads, [DiagnoseReport])
        except ValidationError as error:
            raise InvalidIncident(f"the plan cannot be read: {first_error(error)}") from error
        steps = report.plan.steps
        stopped_by, asked_by = _first(report, _STOPPING), _first(report, {Effect.ASK})
        return ShownPlan(steps[0], calls[-1].at, report.has_checks, stopped_by, asked_by) if steps else None


def _first(report: DiagnoseReport, effects: Collection[Effect]) -> str:
    """The first guard that blocked with one of these effects."""
    return next((guard.name for guard in report.guards if guard.held and guard.effect in effects), "")
