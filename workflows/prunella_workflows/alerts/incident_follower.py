"""Following the incident of an alert: its progress, the silence during a repair, and the end of the alert."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from prunella_workflows.alerts import messages
from prunella_workflows.alerts.activity_calls import backoff, call, failure_text, wait_until
from prunella_workflows.alerts.state import AlertCase
from prunella_workflows.contracts import alerts
from prunella_workflows.contracts.alerts import AlertActivities, Followed, Outcome
from prunella_workflows.model.incident_status import Phase

SILENCE_DURATION = timedelta(minutes=10)
"""A silence expires by itself unless it is extended."""

CHECK_INTERVAL, CHECK_INTERVAL_LIMIT = timedelta(minutes=1), timedelta(minutes=5)
"""Polling only covers a signal that was lost: the operator signals each change that an alert acts on."""
_OUTCOMES = {
    Phase.HEALED: Outcome.REPAIRED,
    Phase.RECOVERED: Outcome.RECOVERED,
    Phase.ESCALATED: Outcome.ESCALATED,
    Phase.DRY_RUN_DONE: Outcome.OBSERVED,
    Phase.SUPPRESSED: Outcome.OBSERVED,
}


class IncidentFollower:
    """Watches one incident for one alert."""

    def __init__(self, case: AlertCase) -> None:
        self._case = case
        self._changed = False

    def report_change(self) -> None:
        """Check the incident now: a repair began or ended, or the incident is closed."""
        self._changed = True

    async def check(self) -> Outcome | None:
        """Check the incident once, act on it, and pause. Return the outcome once it is closed."""
        self._changed = False
        if (seen := await self._fetch()) is not None:
            if seen.gone or seen.phase.closed:
                return self._outcome(seen)
            await self._keep_silence(acting=seen.phase.acting)
            if self._case.state.was_silenced and not self._case.state.silence_id:
                await self.poll()
        if self._has_unnoticed_end():
            await self._withdraw()
        pause = backoff(self._case.begun_at, CHECK_INTERVAL, CHECK_INTERVAL_LIMIT)
        await wait_until(lambda: self._changed or self._has_unnoticed_end(), workflow.now() + pause)
        return None

    async def unsilence(self) -> None:
        """Expire the silence, because no repair is under way."""
        case = self._case
        if not case.state.silence_id:
            return
        request = alerts.UnsilenceRequest(silence_id=case.state.silence_id)
        case.set(silence_id="", silenced_until=None)
        try:
            await call(AlertActivities.unsilence, request)
        except ActivityError as error:
            case.note(f"its silence ends by itself within {SILENCE_DURATION}: {failure_text(error)}")

    async def poll(self) -> None:
        """Query Alertmanager for the alert: it sends no resolution for an alert that ended while silenced."""
        try:
            answer = await call(AlertActivities.is_firing, alerts.EnrichRequest(alert=self._case.alert))
        except ActivityError as error:
            self._case.note(failure_text(error))
            return
        if not answer.firing:
            ended = self._case.alert.model_copy(update={"ends_at": workflow.now()})
            self._case.set(book=self._case.state.book.resolve(ended, workflow.now())[0])

    def _has_unnoticed_end(self) -> bool:
        return self._case.is_over and not self._case.state.end_noticed

    async def _fetch(self) -> Followed | None:
        case = self._case
        assert case.state.incident is not None
        try:
            seen = await call(AlertActivities.follow, alerts.FollowRequest(incident=case.state.incident))
        except ActivityError as error:
            case.note(failure_text(error))
            return None
        case.set(**seen.model_dump(exclude={"acted", "gone"}), acted=case.state.acted or seen.acted)
        return seen

    def _outcome(self, seen: Followed) -> Outcome:
        case = self._case
        if seen.gone or seen.phase is Phase.CANCELLED:
            needless = not case.state.acted and (case.is_over or case.state.end_noticed)
            return Outcome.WITHDRAWN if needless else Outcome.NOT_REPAIRED
        return _OUTCOMES.get(seen.phase, Outcome.NOT_REPAIRED)

    async def _withdraw(self) -> None:
        """Cancel the incident of an alert that is over, if it has changed nothing yet. Otherwise it continues, and must
        know of the end: while the alert fires, calm pods are no recovery.
        """
        case, incident = self._case, self._case.state.incident
        assert incident is not None
        case.set(end_noticed=True)
        if not case.state.opened:
            case.note("the alert was resolved; its incident continues")
            return
        try:
            answer = await call(AlertActivities.withdraw, alerts.WithdrawRequest(incident=incident, alert=case.alert))
            case.note("its incident was cancelled" if answer.done else f"its incident continues: {answer.reason}")
        except ActivityError as error:
            case.note(f"its incident continues: {failure_text(error)}")

    async def _keep_silence(self, *, acting: bool) -> None:
        """Silence the alert while a repair is applied and verified, and at no other time."""
        case, until = self._case, workflow.now() + SILENCE_DURATION
        if not acting or case.is_over or case.state.enriched is None or not case.state.enriched.can_silence:
            await self.unsilence()
            return
        if case.state.silenced_until is not None and case.state.silenced_until - workflow.now() > SILENCE_DURATION / 2:
            return
        comment = messages.silence_comment(case.state)
        request = alerts.SilenceRequest(
            alert=case.alert, until=until, comment=comment, silence_id=case.state.silence_id
        )
        try:
            silenced = await call(AlertActivities.silence, request)
            case.set(silence_id=silenced.silence_id, silenced_until=until, was_silenced=True)
        except ActivityError as error:
            case.note(f"not silenced: {failure_text(error)}")
