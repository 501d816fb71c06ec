"""Kubernetes Events about one incident: those not yet posted, and what must not be posted twice."""

from dataclasses import dataclass, field

from prunella_workflows.contracts.healing import EventNote
from prunella_workflows.model.outcome import Effect, GuardResult

_NOTE_LIMIT = 1024  # characters that the API server accepts
NORMAL, WARNING = "Normal", "Warning"


@dataclass
class EventLog:
    """The Events of one incident. Each has a key of its own, so that a repeated report posts it once.

    `count` is the number of Events so far, `latest` the last note by reason, and `blocking` the reason of each guard
    that blocks the repair.
    """

    pending: tuple[EventNote, ...] = ()
    count: int = 0
    latest: dict[str, str] = field(default_factory=dict)
    blocking: dict[str, str] = field(default_factory=dict)

    def post(self, kind: str, reason: str, action: str, note: str) -> None:
        """Add an Event to the next report."""
        self.count += 1
        event = EventNote(key=str(self.count), type=kind, reason=reason, action=action, note=note[:_NOTE_LIMIT])
        self.pending = (*self.pending, event)

    def post_change(self, reason: str, action: str, note: str) -> None:
        """Add an Event unless the last one of this reason said the same: a wait repeats its checks."""
        if self.latest.get(reason) != note:
            self.latest[reason] = note
            self.post(NORMAL, reason, action, note)

    def post_guards(self, guards: tuple[GuardResult, ...]) -> None:
        """Add an Event for each guard that begins to block, blocks for another reason, or no longer blocks.

        A missing approval is excluded: its Event is posted when the approval is requested.
        """
        before, self.blocking = self.blocking, {}
        for guard in guards:
            if guard.held and guard.effect is not Effect.ASK:
                self.blocking[guard.name] = guard.reason
                if before.get(guard.name) != guard.reason:
                    kind = WARNING if guard.effect is Effect.ESCALATE else NORMAL
                    self.post(kind, "GuardBlocked", "Guard", f"{guard.name}: {guard.reason}: {guard.message}")
            elif guard.name in before:
                self.post(NORMAL, "GuardCleared", "Guard", f"{guard.name} no longer blocks the repair.")

    def take(self) -> tuple[EventNote, ...]:
        """Remove and return the Events that were not reported yet."""
        events, self.pending = self.pending, ()
        return events

    def put_back(self, events: tuple[EventNote, ...]) -> None:
        """Add Events whose report failed to the next one."""
        self.pending = (*events, *self.pending)
