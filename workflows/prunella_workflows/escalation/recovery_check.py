"""Detection of recovery during an escalation, so that no one is notified without need.

It errs on the side of notifying: a fault that it has not seen itself never counts as gone, and one healthy check is not
enough.
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
CHECK_INTERVAL = timedelta(minutes=5)
CHECK_INTERVAL_LIMIT = timedelta(hours=1)
_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


class RecoveryMonitor:
    """Checks the target of one incident, less and less often. Used inside workflows only."""

    def __init__(self, calls: ActivityCaller, request: ConfirmRequest, target: str, *, enabled: bool) -> None:
        kind, _, name = target.partition("/")
        spec = request.spec.model_copy(update={"target": TargetRef(kind=kind, name=name), "pod_name": None})
        self._calls = calls
        self._request = request.model_copy(update={"spec": spec})
        self._began = workflow.now()
        self._next = workflow.now() if enabled and kind in _KINDS and name else None
        self._seen = False
        self._healthy = 0

    def pause(self, until: datetime) -> timedelta:
        """The time to the next check, or to that moment if it comes first."""
        now = workflow.now()
        return max(min(until, self._next or until) - now, timedelta())

    async def check(self) -> str:
        """Check, if it is time. Return why no one is needed any more, or ""."""
        now = workflow.now()
        if self._next is None or now < self._next:
            return ""
        self._next = now + min(max(CHECK_INTERVAL, (now - self._began) / 10), CHECK_INTERVAL_LIMIT)
        try:
            confirmation = await self._calls.call(HealingActivities.confirm, self._request)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return TARGET_GONE if error_type(error) == NotFound.__name__ else ""
        return self._judge(confirmation.sighting)

    def _judge(self, sighting: Sighting) -> str:
        self._request = self._request.model_copy(update={"calm_since": sighting.calm_since})
        if not self._seen and sighting.presence is not Presence.FAILING:
            self._next = None  # the cause of the escalation cannot be seen this way
            return ""
        self._seen = True
        self._healthy = self._healthy + 1 if sighting.presence is Presence.RECOVERED else 0
        return RECOVERED if self._healthy > 1 else ""
