"""The case of one alert: its state in one value, which can be queried, recorded and passed to the next run."""

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from prunella_workflows.alerts.activity_calls import backoff
from prunella_workflows.contracts.alerts import AlertRequest, AlertState, Stage
from prunella_workflows.model.alert import Alert, Classified

DEFAULT_WINDOW = 300.0
"""Seconds; the default where no policy sets another."""

_RETRY_INTERVAL, _RETRY_INTERVAL_LIMIT = timedelta(seconds=15), timedelta(minutes=5)
_NOTES = 20


class AlertCase:
    """The state that the parts of AlertHandling share. Used inside the workflow only."""

    def __init__(self, request: AlertRequest) -> None:
        self.state = request.state or AlertState(fingerprint=request.fingerprint)

    def set(self, **values: Any) -> None:
        """Change the state."""
        self.state = self.state.model_copy(update=values)

    def note(self, text: str) -> None:
        """Remember what went wrong or what people may wonder about; the newest are kept."""
        if text not in self.state.notes:
            self.set(notes=(*self.state.notes, text[:500])[-_NOTES:])

    def start_round(self) -> None:
        """Start to handle a firing; only the log and the number of earlier rounds are kept."""
        old = self.state
        self.state = AlertState(
            fingerprint=old.fingerprint,
            name=old.name,
            book=old.book,
            stage=Stage.ENRICHING,
            round=old.round + 1,
            alert=old.book.firing,
            begun_at=workflow.now(),
        )

    @property
    def alert(self) -> Alert:
        """The firing that is or was handled."""
        assert self.state.alert is not None
        return self.state.alert

    @property
    def classified(self) -> Classified:
        """The kind of handling, by the policies' rules."""
        assert self.state.enriched is not None
        return self.state.enriched.classified

    @property
    def begun_at(self) -> datetime:
        """The beginning of the round."""
        assert self.state.begun_at is not None
        return self.state.begun_at

    @property
    def window(self) -> float:
        """The seconds in which repeats are not notified again, and late messages are recognised."""
        return self.state.enriched.classified.window if self.state.enriched else DEFAULT_WINDOW

    @property
    def is_pending(self) -> bool:
        """True when there is a firing that no round has handled."""
        firing, handled = self.state.book.firing, self.state.alert
        return firing is not None and (handled is None or firing.starts_at != handled.starts_at)

    @property
    def is_over(self) -> bool:
        """True when nothing fires any more."""
        return self.state.book.firing is None

    @property
    def quiet_since(self) -> datetime:
        """The time of the last message, or of its end."""
        moments = (self.state.ended_at, self.state.book.heard, workflow.info().start_time)
        return max(moment for moment in moments if moment is not None)

    @property
    def again(self) -> datetime:
        """The time of the next retry."""
        return workflow.now() + backoff(self.begun_at, _RETRY_INTERVAL, _RETRY_INTERVAL_LIMIT)

    def key(self, step: str) -> str:
        """The key of one message of this round: the same in every retry."""
        return f"{self.state.fingerprint}-{self.begun_at:%Y%m%dT%H%M%S}-{step}"
