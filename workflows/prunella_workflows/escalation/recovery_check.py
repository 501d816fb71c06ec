"""Lookout: whether a fault that was handed over to people is gone, so that nobody is called for nothing.

It errs on the side of calling: a fault that it has not seen itself is never gone, and one calm look is none.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts.healing import ConfirmRequest, HealingActivities
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident import TargetRef
from prunella_workflows.model.outcome import Presence, Sighting
from prunella_workflows.temporal.activity_calls import ActivityCaller
from prunella_workflows.temporal.failures import error_type

RECOVERED = "Recovered"
TARGET_GONE = "TargetGone"
LOOK_LEAST = timedelta(minutes=5)
LOOK_MOST = timedelta(hours=1)
_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


class RecoveryMonitor:
    """Looks at the target of one incident, ever more rarely. Used inside workflows only."""

    def __init__(self, calls: ActivityCaller, ask: ConfirmRequest, target: str, *, wanted: bool) -> None:
        kind, _, name = target.partition("/")
        spec = ask.spec.model_copy(update={"target": TargetRef(kind=kind, name=name), "pod_name": None})
        self._calls = calls
        self._ask = ask.model_copy(update={"spec": spec})
        self._began = workflow.now()
        self._next = workflow.now() if wanted and kind in _KINDS and name else None
        self._seen = False
        self._calm = 0

    def pause(self, until: datetime) -> timedelta:
        """How long to wait for the next look, or until that moment if it comes first."""
        now = workflow.now()
        return max(min(until, self._next or until) - now, timedelta())

    async def look(self) -> str:
        """Look, if it is time. Why nobody is needed any more, or ""."""
        now = workflow.now()
        if self._next is None or now < self._next:
            return ""
        self._next = now + min(max(LOOK_LEAST, (now - self._began) / 10), LOOK_MOST)
        try:
            answer = await self._calls.call(HealingActivities.confirm, self._ask)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return TARGET_GONE if error_type(error) == NotFound.__name__ else ""
        return self._judged(answer.sighting)

    def _judged(self, sighting: Sighting) -> str:
        self._ask = self._ask.model_copy(update={"calm_since": sighting.calm_since})
        if not self._seen and sighting.presence is not Presence.FAILING:
            self._next = None  # it was handed over for something that cannot be seen this way
            return ""
        self._seen = True
        self._calm = self._calm + 1 if sighting.presence is Presence.RECOVERED else 0
        return RECOVERED if self._calm > 1 else ""
