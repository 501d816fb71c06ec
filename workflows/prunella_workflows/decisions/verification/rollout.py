"""The rollout of a repair: how far it is, and by when it is late. Its deadline moves with every pod."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from prunella_workflows.decisions.verification.expectation import Expectation
from prunella_workflows.model.workload import PodView, WorkloadView


@dataclass(frozen=True)
class Rollout:
    """The rollout to `pods`, the live pods of the repaired template.

    Pods that had no node before the write either, for another reason than the fault, do not keep it from completing.
    `terminating`: a pod is being deleted, and the rollout may be waiting for it.
    """

    workload: WorkloadView
    pods: tuple[PodView, ...]
    expected: Expectation
    terminating: bool = False

    @property
    def counted_pods(self) -> tuple[PodView, ...]:
        """The pods that must become ready."""
        unplaced = sum(bool(pod.unschedulable) for pod in self.pods)
        if unplaced > self.expected.baseline.unplaced:
            return self.pods
        return tuple(pod for pod in self.pods if not pod.unschedulable)

    @property
    def complete(self) -> bool:
        """Report whether the workload has settled, but for the pods that do not count."""
        workload = self.workload
        available = workload.available_replicas + len(self.pods) - len(self.counted_pods)
        return workload.model_copy(update={"available_replicas": available}).settled

    @property
    def stalled_at(self) -> datetime:
        """The time at which it has not moved for as long as one step may take: no pod was made or became ready."""
        return self._moved_at + self._step

    @property
    def deadline(self) -> datetime:
        """The time by which it is late: it has stalled, and its pods had the time that their probes grant each step."""
        budget = timedelta(seconds=self._steps * self.workload.start_budget)
        return max(self.stalled_at, self.expected.written_at + self._blind + budget)

    @property
    def owner_deadline(self) -> datetime:
        """The time at which it has not moved for as long as its owner allows (progressDeadlineSeconds)."""
        return max(self.deadline, self._moved_at + timedelta(seconds=self.workload.deadline))

    @property
    def limit(self) -> datetime:
        """The time by which it is over even if every step takes its time, and pods are replaced meanwhile."""
        return self.expected.written_at + self._blind + self._steps * self._step + self._step

    @property
    def _moved_at(self) -> datetime:
        """The time at which a pod was last made, became ready or unready; no later than in the slowest rollout."""
        if self.terminating:
            return self.limit - self._step
        changes = (at for pod in self.pods for at in (pod.created_at, pod.ready_since, pod.unready_since) if at)
        moved = max([self.expected.written_at, *changes]) + self._blind
        return min(moved, self.limit - self._step)

    @property
    def _step(self) -> timedelta:
        return timedelta(seconds=self.expected.settle.timeout + self.workload.start_budget)

    @property
    def _steps(self) -> int:
        """The number of times that the rollout waits for pods, by the owner's strategy."""
        strategy = self.workload.strategy
        return max(1, math.ceil(self.workload.replicas / max(1, strategy.max_unavailable + strategy.max_surge)))

    @property
    def _blind(self) -> timedelta:
        return timedelta(seconds=self.expected.blind)

    def __str__(self) -> str:
        workload = self.workload
        details = f" ({workload.message})" if workload.message else ""
        counts = f"{workload.updated_replicas} of {workload.replicas} updated, {workload.available_replicas} available"
        return counts + details
