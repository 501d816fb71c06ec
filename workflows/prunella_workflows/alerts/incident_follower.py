"""Following the incident of an alert: how it stands, the silence during a repair, and what the alert's end means."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from prunella_workflows.alerts import messages
from prunella_workflows.alerts.activity_calls import call, meanwhile, pace, why
from prunella_workflows.alerts.state import AlertCase
from prunella_workflows.contracts.alerts import (
    AlertActivities,
    EnrichRequest,
    Followed,
    FollowRequest,
    Outcome,
    SilenceRequest,
    UnsilenceRequest,
    WithdrawRequest,
)
from prunella_workflows.model.incident_status import Phase

SILENCE_FOR = timedelta(minutes=10)
"""A silence ends by itself if nobody is left to extend it."""

LOOK, LOOK_AT_MOST = timedelta(seconds=5), timedelta(minutes=5)
_ACTING = frozenset({Phase.REPAIRING, Phase.VERIFYING})
_OUTCOMES = {
    Phase.HEALED: Outcome.REPAIRED,
    Phase.RECOVERED: Outcome.RECOVERED,
    Phase.ESCALATED: Outcome.ESCALATED,
    Phase.DRY_RUN_DONE: Outcome.OBSERVED,
    Phase.SUPPRESSED: Outcome.OBSERVED,
}


class AlertFollowing:
    """Watches one incident for one alert."""

    def __init__(self, case: AlertCase) -> None:
        self._case = case

    async def look(self) -> Outcome | None:
        """One look at the incident, what follows from it, and a pause; the outcome once it is over."""
        if (seen := await self._seen()) is not None:
            if seen.gone or seen.phase.closed:
                return self._outcome(seen)
            await self._keep_silence(acting=seen.phase in _ACTING)
        if self._unnoticed_end():
            await self._withdraw()
        pause = pace(self._case.begun_at, LOOK, LOOK_AT_MOST)
        await meanwhile(self._unnoticed_end, workflow.now() + pause)
        return None

    async def unsilence(self) -> None:
        """Nothing stays silenced that nobody repairs."""
        case = self._case
        if not case.state.silence_id:
            return
        request = UnsilenceRequest(silence_id=case.state.silence_id)
        case.set(silence_id="", silenced_until=None)
        try:
            await call(AlertActivities.unsilence, request)
        except ActivityError as error:
            case.note(f"its silence ends by itself within {SILENCE_FOR}: {why(error)}")

    async def ask(self) -> None:
        """Ask Alertmanager whether it still fires: of an end that came while it was silenced, it tells nobody."""
        try:
            answer = await call(AlertActivities.is_firing, EnrichRequest(alert=self._case.alert))
        except ActivityError as error:
            self._case.note(why(error))
            return
        if not answer.firing:
            ended = self._case.alert.model_copy(update={"ends_at": workflow.now()})
            self._case.set(book=self._case.state.book.resolve(ended, workflow.now())[0])

    def _unnoticed_end(self) -> bool:
        return self._case.over and not self._case.state.end_noticed

    async def _seen(self) -> Followed | None:
        case = self._case
        assert case.state.incident is not None
        try:
            seen = await call(AlertActivities.follow, FollowRequest(incident=case.state.incident))
        except ActivityError as error:
            case.note(why(error))
            return None
        case.set(
            phase=seen.phase,
            reason=seen.reason,
            message=seen.message,
            next_step=seen.next_step,
            root_cause=seen.root_cause,
            tried=seen.tried,
            acted=case.state.acted or seen.acted,
        )
        return seen

    def _outcome(self, seen: Followed) -> Outcome:
        case = self._case
        if seen.gone or seen.phase is Phase.CANCELLED:
            needless = not case.state.acted and (case.over or case.state.end_noticed)
            return Outcome.WITHDRAWN if needless else Outcome.NOT_REPAIRED
        return _OUTCOMES.get(seen.phase, Outcome.NOT_REPAIRED)

    async def _withdraw(self) -> None:
        """The alert is over. What it started and has not acted yet is taken back; what has acted is left to end."""
        case, incident = self._case, self._case.state.incident
        assert incident is not None
        case.set(end_noticed=True)
        if not case.state.opened or case.state.acted:
            case.note("the alert was resolved; its incident goes on to its end")
            return
        try:
            answer = await call(AlertActivities.withdraw, WithdrawRequest(incident=incident, alert=case.alert))
            case.note("its incident was taken back" if answer.done else f"its incident goes on: {answer.reason}")
        except ActivityError as error:
            case.note(f"its incident goes on: {why(error)}")

    async def _keep_silence(self, *, acting: bool) -> None:
        """In force while a repair is being made and judged, and at no other time."""
        case, until = self._case, workflow.now() + SILENCE_FOR
        if not acting or case.over or case.state.enriched is None or not case.state.enriched.can_silence:
            await self.unsilence()
            return
        if case.state.silenced_until is not None and case.state.silenced_until - workflow.now() > SILENCE_FOR / 2:
            return
        comment = messages.silence_comment(case.state)
        request = SilenceRequest(alert=case.alert, until=until, comment=comment, silence_id=case.state.silence_id)
        try:
            silenced = await call(AlertActivities.silence, request)
            case.set(silence_id=silenced.silence_id, silenced_until=until, was_silenced=True)
        except ActivityError as error:
            case.note(f"not silenced: {why(error)}")
