"""The case of one alert: its state, kept in one value so that it can be told, recorded and carried to the next run."""

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from prunella_workflows.alerts.activity_calls import pace
from prunella_workflows.contracts.alerts import AlertRequest, AlertState, Stage
from prunella_workflows.model.alert import Alert, Classified

WINDOW = 300.0
"""Seconds; until a policy was read, or where none says otherwise."""

_AGAIN, _AGAIN_AT_MOST = timedelta(seconds=15), timedelta(minutes=5)
_NOTES = 20


class AlertCase:
    """What the parts of AlertHandling share. Used inside the workflow only."""

    def __init__(self, request: AlertRequest) -> None:
        self.state = request.state or AlertState(fingerprint=request.fingerprint)

    def set(self, **values: Any) -> None:
        """Change the state."""
        self.state = self.state.model_copy(update=values)

    def note(self, text: str) -> None:
        """Remember what went wrong or what people may wonder about; the newest are kept."""
        if text not in self.state.notes:
            self.set(notes=(*self.state.notes, text[:500])[-_NOTES:])

    def begin_round(self) -> None:
        """A firing is handled from here on; of the earlier ones only the book and their number is kept."""
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
        """How it is handled."""
        assert self.state.enriched is not None
        return self.state.enriched.classified

    @property
    def begun_at(self) -> datetime:
        """When the round began."""
        assert self.state.begun_at is not None
        return self.state.begun_at

    @property
    def window(self) -> float:
        """For how many seconds repeats tell nobody again, and late messages are known as such."""
        return self.state.enriched.classified.window if self.state.enriched else WINDOW

    @property
    def pending(self) -> bool:
        """Whether a firing is on that no round has handled."""
        firing, handled = self.state.book.firing, self.state.alert
        return firing is not None and (handled is None or firing.starts_at != handled.starts_at)

    @property
    def over(self) -> bool:
        """Whether nothing fires any more."""
        return self.state.book.firing is None

    @property
    def quiet_since(self) -> datetime:
        """When it was last heard of, or ended."""
        moments = (self.state.ended_at, self.state.book.heard, workflow.info().start_time)
        return max(moment for moment in moments if moment is not None)

    @property
    def again(self) -> datetime:
        """When to ask again who did not answer."""
        return workflow.now() + pace(self.begun_at, _AGAIN, _AGAIN_AT_MOST)

    def key(self, step: str) -> str:
        """The name of one message of this round: the same in every retry."""
        return f"{self.state.fingerprint}-{self.begun_at:%Y%m%dT%H%M%S}-{step}"
