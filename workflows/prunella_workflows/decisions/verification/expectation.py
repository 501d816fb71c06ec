"""The state that a repair must lead to."""

from datetime import datetime, timedelta

from prunella_workflows.model.base import Value
from prunella_workflows.model.outcome import Baseline
from prunella_workflows.model.plan import Settle
from prunella_workflows.model.workload import PodView

_CLOCK_STEP = timedelta(seconds=1)  # the API server's times are whole seconds


class Expectation(Value):
    """The state a repair must lead to: this template, rolled out, with no fewer pods available than before.

    `replicas` is their number if the repair set it, `max_replicas` the autoscaler's maximum if it set that;
    `number_before` is the previous value of either. `resized` is a container and the bytes to which its memory limit
    was set in the running pods. `blind`: seconds in which verification was impossible.
    """

    template_hash: str
    template_before: str = ""
    action_id: str
    written_at: datetime
    baseline: Baseline = Baseline()
    settle: Settle
    has_checks: bool = False
    blind: float = 0.0
    replicas: int | None = None
    max_replicas: int | None = None
    number_before: int | None = None
    resized: tuple[str, int] | None = None
    calm_since: datetime | None = None

    @property
    def deadline(self) -> datetime:
        """The time until which nothing is late, extended by the time in which verification was impossible."""
        return self.written_at + timedelta(seconds=self.settle.timeout + self.blind)

    def made(self, pod: PodView) -> bool:
        """Report whether a pod was created after the write."""
        return pod.created_at is not None and pod.created_at > self.written_at - _CLOCK_STEP
