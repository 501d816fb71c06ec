"""AlertHandling: the durable handling of one alert, from its first firing to its end.

wait -> enrich -> notify -> critical: open or join an incident and follow it -> processed -> wait for the end.
One workflow for each fingerprint handles its repeats, resolutions and messages in the wrong order, see `AlertLog`.
The repair itself is the incident's own SelfHealing workflow, which the controller starts: the Incident is the queue.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.alerts.activity_calls import backoff, call, call_local, failure_text, wait_until
from prunella_workflows.alerts.incident_follower import CHECK_INTERVAL_LIMIT, IncidentFollower
from prunella_workflows.alerts.notifications import AlertNotifier
from prunella_workflows.alerts.state import AlertCase
from prunella_workflows.contracts import alerts
from prunella_workflows.contracts.alerts import AlertActivities, AlertRequest, AlertState, Opened, Outcome, Stage
from prunella_workflows.model.alert import Alert
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.temporal.activity_calls import ActivityCaller
from prunella_workflows.temporal.failures import is_permanent

FORGET_AFTER_INTERVAL = timedelta(days=3)
"""An alert that Alertmanager has not repeated for so long is over, even without a resolution."""
_POLL_INTERVAL = timedelta(seconds=10)  # of Alertmanager, after a silence


@workflow.defn(name="AlertHandling")
class AlertHandling:
    """One alert, for as long as it fires and a little longer, so that repeats and late messages join."""

    @workflow.init
    def __init__(self, request: AlertRequest) -> None:
        self._case = AlertCase(request)
        self._notifications = AlertNotifier(self._case)
        self._incident = IncidentFollower(self._case)
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
                    await self._notifications.settle()
                    state = self._case.state
                    workflow.continue_as_new(AlertRequest(fingerprint=state.fingerprint, state=state))
            await self._notifications.settle()
        except BaseException as error:
            if is_cancelled_exception(error):
                await ActivityCaller().shielded(self._incident.unsilence())
            raise
        return self._case.state

    @workflow.signal
    def fire(self, alert: Alert) -> None:
        """Take a firing from Alertmanager; a repeat changes nothing."""
        book, _ = self._case.state.book.fire(alert, workflow.now(), self._case.window)
        self._case.set(book=book, name=alert.name)

    @workflow.signal
    def resolve(self, alert: Alert) -> None:
        """Take a resolution from Alertmanager."""
        book, _ = self._case.state.book.resolve(alert, workflow.now())
        self._case.set(book=book, name=alert.name)

    @workflow.signal(name="incidentChanged")
    def incident_changed(self) -> None:
        """Take from the operator that a repair began or ended, or that the incident is closed."""
        self._incident.report_change()

    @workflow.query(name="getState")
    def get_state(self) -> AlertState:
        """The state as it is now."""
        return self._case.state

    async def _wait(self) -> None:
        """Start a round when there is a firing to handle and the window is over; end when no more messages come."""
        case, window = self._case, timedelta(seconds=self._case.window)
        if not case.is_pending:
            if not await wait_until(lambda: case.is_pending, case.quiet_since + window):
                case.set(stage=Stage.DONE)
            return
        begun = case.state.begun_at
        if begun is None or not await wait_until(lambda: not case.is_pending, begun + window):
            case.start_round()

    async def _enrich(self) -> None:
        """Classify the alert; nothing can be decided before, so that is retried until it succeeds."""
        case = self._case
        try:
            enriched = await call(AlertActivities.enrich, alerts.EnrichRequest(alert=case.alert))
        except ActivityError as error:
            case.note(failure_text(error))
            if is_permanent(error):
                await self._conclude(Outcome.NOT_REPAIRED)
            elif await wait_until(lambda: case.is_over, case.again):
                await self._conclude(Outcome.WITHDRAWN)
            return
        case.set(enriched=enriched)
        handling = enriched.classified.handling
        if handling is AlertHandlingMode.HEAL:
            case.set(stage=Stage.OPENING)
        elif handling is AlertHandlingMode.NOTIFY:
            self._notifications.firing()
            await self._conclude(Outcome.NOTIFIED)
        else:
            await self._conclude(Outcome.RECORDED)

    async def _open(self) -> None:
        """Open or join an incident, and notify at once, whether that worked or not."""
        case = self._case
        if case.is_over:
            await self._conclude(Outcome.WITHDRAWN)
            return
        opened = await self._open_incident()
        self._notifications.firing()
        if opened is None:
            await wait_until(lambda: case.is_over, case.again)
        elif opened.incident is None:
            case.set(reason=opened.reason)
            await self._conclude(Outcome.NOT_REPAIRED)
        else:
            case.set(stage=Stage.FOLLOWING)

    async def _open_incident(self) -> Opened | None:
        """Open or join the incident of the alert; None when that must be retried."""
        case = self._case
        assert case.state.enriched is not None
        request = alerts.OpenRequest(alert=case.alert, enriched=case.state.enriched, observed_at=case.begun_at)
        try:
            opened = await call(AlertActivities.open, request)
        except ActivityError as error:
            case.note(failure_text(error))
            return Opened(reason=failure_text(error)) if is_permanent(error) else None
        case.set(incident=opened.incident, opened=opened.opened, opened_at=opened.opened_at)
        return opened

    async def _follow(self) -> None:
        outcome = await self._incident.check()
        if outcome is not None:
            await self._conclude(outcome)

    async def _conclude(self, outcome: Outcome) -> None:
        """Finish the handling of a firing: notify, escalate a failure, and record the outcome."""
        await self._incident.unsilence()
        self._case.set(outcome=outcome, stage=Stage.PROCESSED, processed_at=workflow.now())
        if outcome is not Outcome.NOTIFIED:
            await self._notifications.ended()
        await self._record(resolved=False)

    async def _await_end(self) -> None:
        """Wait until the alert is over, a newer firing replaces it, or no message has come for days."""
        case = self._case
        if case.is_over:
            await self._notifications.resolved()
            await self._record(resolved=True)
            case.set(stage=Stage.WAITING, ended_at=workflow.now())
        elif case.is_pending:
            await self._replace()
        elif workflow.now() - case.quiet_since >= FORGET_AFTER_INTERVAL:
            case.note("no message about it for days")
            case.set(stage=Stage.DONE)
        else:
            await self._wait_for_news()

    async def _replace(self) -> None:
        """Start a new round for a firing that replaced the handled one, unless it ends within the window."""
        window_ends = self._case.begun_at + timedelta(seconds=self._case.window)
        if not await wait_until(lambda: self._case.is_over, window_ends):
            self._case.set(stage=Stage.WAITING)

    async def _wait_for_news(self) -> None:
        """Wait for a message; poll Alertmanager while a silence may have suppressed the resolution."""
        case, heard, since = self._case, self._case.state.book.heard, self._case.state.processed_at
        assert since is not None
        quiet = case.state.was_silenced and (heard is None or heard <= since)
        check = workflow.now() + backoff(since, _POLL_INTERVAL, CHECK_INTERVAL_LIMIT)
        until = check if quiet else case.quiet_since + FORGET_AFTER_INTERVAL
        if not await wait_until(lambda: case.state.book.heard != heard, until) and quiet:
            await self._incident.poll()

    async def _record(self, *, resolved: bool) -> None:
        """Record the outcome. Without an incident that is only a log line, so a local activity is enough."""
        request = alerts.RecordRequest(state=self._case.state, resolved=resolved)
        run = call if self._case.state.incident else call_local
        try:
            await run(AlertActivities.record, request)
        except ActivityError as error:
            self._case.note(f"not recorded: {failure_text(error)}")
