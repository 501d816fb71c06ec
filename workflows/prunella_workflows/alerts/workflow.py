"""AlertHandling: the durable handling of one alert, from its first firing to its end.

wait -> enrich -> tell people -> critical: open or join an incident and follow it -> processed -> wait for the end.
One workflow for each fingerprint: repeats, resolutions and messages in the wrong order meet in it, see `alert_book`.
The repair itself is the incident's own SelfHealing workflow, which the controller starts: the Incident is the queue.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.alerts.activity_calls import call, call_here, meanwhile, pace, why
from prunella_workflows.alerts.incident_follower import LOOK, LOOK_AT_MOST, AlertFollowing
from prunella_workflows.alerts.notifications import AlertTelling
from prunella_workflows.alerts.state import AlertCase
from prunella_workflows.contracts.alerts import (
    AlertActivities,
    AlertRequest,
    AlertState,
    EnrichRequest,
    Opened,
    OpenRequest,
    Outcome,
    RecordRequest,
    Stage,
)
from prunella_workflows.model.alert import Alert
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.temporal.activity_calls import ActivityCaller
from prunella_workflows.temporal.failures import is_permanent

FORGOTTEN_AFTER = timedelta(days=3)
"""An alert that Alertmanager has not repeated for so long is over, though nobody said so."""


@workflow.defn(name="AlertHandling")
class AlertHandling:
    """One alert, for as long as it fires and a little longer, so that repeats and late messages join."""

    @workflow.init
    def __init__(self, request: AlertRequest) -> None:
        self._case = AlertCase(request)
        self._telling = AlertTelling(self._case)
        self._following = AlertFollowing(self._case)
        self._steps = {
            Stage.WAITING: self._wait,
            Stage.ENRICHING: self._enrich,
            Stage.OPENING: self._open,
            Stage.FOLLOWING: self._follow,
            Stage.PROCESSED: self._await_end,
        }

    @workflow.run
    async def run(self, request: AlertRequest) -> AlertState:
        """Handle every firing until there is none for the length of the window."""
        del request  # kept by __init__, so that messages may arrive before the first step
        try:
            while self._case.state.stage is not Stage.DONE:
                await self._steps[self._case.state.stage]()
                if workflow.info().is_continue_as_new_suggested():
                    await self._telling.settle()
                    state = self._case.state
                    workflow.continue_as_new(AlertRequest(fingerprint=state.fingerprint, state=state))
            await self._telling.settle()
        except BaseException as error:
            if is_cancelled_exception(error):
                await ActivityCaller().unbroken(self._following.unsilence())
            raise
        return self._case.state

    @workflow.signal
    def fire(self, alert: Alert) -> None:
        """Alertmanager says that it fires; a repeat changes nothing."""
        book, _ = self._case.state.book.fire(alert, workflow.now(), self._case.window)
        self._case.set(book=book, name=alert.name)

    @workflow.signal
    def resolve(self, alert: Alert) -> None:
        """Alertmanager says that it is over."""
        book, _ = self._case.state.book.resolve(alert, workflow.now())
        self._case.set(book=book, name=alert.name)

    @workflow.query(name="getState")
    def get_state(self) -> AlertState:
        """All that is known."""
        return self._case.state

    async def _wait(self) -> None:
        """Begin a round when there is a firing to handle and the window is over; end when nothing comes any more."""
        case, window = self._case, timedelta(seconds=self._case.window)
        if not case.pending:
            if not await meanwhile(lambda: case.pending, case.quiet_since + window):
                case.set(stage=Stage.DONE)
            return
        begun = case.state.begun_at
        if begun is None or not await meanwhile(lambda: not case.pending, begun + window):
            case.begin_round()

    async def _enrich(self) -> None:
        """Find out what it is about; nothing can be decided before that, so it is asked for until it is answered."""
        case = self._case
        try:
            enriched = await call(AlertActivities.enrich, EnrichRequest(alert=case.alert))
        except ActivityError as error:
            case.note(why(error))
            if is_permanent(error):
                await self._conclude(Outcome.NOT_REPAIRED)
            elif await meanwhile(lambda: case.over, case.again):
                await self._conclude(Outcome.WITHDRAWN)
            return
        case.set(enriched=enriched)
        handling = enriched.classified.handling
        if handling is AlertHandlingMode.HEAL:
            case.set(stage=Stage.OPENING)
        elif handling is AlertHandlingMode.NOTIFY:
            self._telling.firing()
            await self._conclude(Outcome.NOTIFIED)
        else:
            await self._conclude(Outcome.RECORDED)

    async def _open(self) -> None:
        """Open or join an incident, and tell people at once, whether that worked or not."""
        case = self._case
        if case.over:
            await self._conclude(Outcome.WITHDRAWN)
            return
        opened = await self._opened()
        self._telling.firing()
        if opened is None:
            await meanwhile(lambda: case.over, case.again)
        elif opened.incident is None:
            case.set(reason=opened.reason)
            await self._conclude(Outcome.NOT_REPAIRED)
        else:
            case.set(stage=Stage.FOLLOWING)

    async def _opened(self) -> Opened | None:
        """The incident that covers the alert; None when nobody answered."""
        case = self._case
        assert case.state.enriched is not None
        request = OpenRequest(alert=case.alert, enriched=case.state.enriched, observed_at=case.begun_at)
        try:
            opened = await call(AlertActivities.open, request)
        except ActivityError as error:
            case.note(why(error))
            return Opened(reason=why(error)) if is_permanent(error) else None
        case.set(incident=opened.incident, opened=opened.opened, opened_at=opened.opened_at)
        return opened

    async def _follow(self) -> None:
        outcome = await self._following.look()
        if outcome is not None:
            await self._conclude(outcome)

    async def _conclude(self, outcome: Outcome) -> None:
        """The firing is handled: say so, leave what failed to people, and write it down."""
        await self._following.unsilence()
        self._case.set(outcome=outcome, stage=Stage.PROCESSED, processed_at=workflow.now())
        if outcome is not Outcome.NOTIFIED:
            await self._telling.ended()
        await self._record(resolved=False)

    async def _await_end(self) -> None:
        """Wait until the alert is over, a newer firing replaces it, or nobody has spoken of it for days."""
        case = self._case
        if case.over:
            await self._telling.resolved()
            await self._record(resolved=True)
            case.set(stage=Stage.WAITING, ended_at=workflow.now())
        elif case.pending:
            await self._replaced()
        elif workflow.now() - case.quiet_since >= FORGOTTEN_AFTER:
            case.note("nobody has spoken of it for days")
            case.set(stage=Stage.DONE)
        else:
            await self._listen()

    async def _replaced(self) -> None:
        """It fires anew, and nobody told of the end before: a round of its own, unless it is over within the window."""
        window_ends = self._case.begun_at + timedelta(seconds=self._case.window)
        if not await meanwhile(lambda: self._case.over, window_ends):
            self._case.set(stage=Stage.WAITING)

    async def _listen(self) -> None:
        """Alertmanager tells of the end; it is asked while it may have kept the end to itself."""
        case, heard, since = self._case, self._case.state.book.heard, self._case.state.processed_at
        assert since is not None
        quiet = case.state.was_silenced and (heard is None or heard <= since)
        until = workflow.now() + pace(since, 2 * LOOK, LOOK_AT_MOST) if quiet else case.quiet_since + FORGOTTEN_AFTER
        if not await meanwhile(lambda: case.state.book.heard != heard, until) and quiet:
            await self._following.ask()

    async def _record(self, *, resolved: bool) -> None:
        """Write it down. Without an incident that is a line in the log, and not worth a round to the server."""
        request = RecordRequest(state=self._case.state, resolved=resolved)
        run = call if self._case.state.incident else call_here
        try:
            await run(AlertActivities.record, request)
        except ActivityError as error:
            self._case.note(f"not recorded: {why(error)}")
