"""The number of tasks that a worker takes at once: up to its limits, or fewer while it is short of memory or CPU."""

from temporalio.worker import ResourceBasedSlotConfig, WorkerTuner

from prunella_operator.config.settings import Settings

_MIN_SLOTS = 5
"""Slots at any load: a repair may be what ends the load."""


def create_tuner(settings: Settings) -> WorkerTuner:
    """The tuner that settings select; `max_workflow_tasks` and `max_activities` limit either."""
    workflow_tasks, activities = settings.max_workflow_tasks, settings.max_activities
    if settings.worker_tuner == "fixed":
        return WorkerTuner.create_fixed(workflow_slots=workflow_tasks, activity_slots=activities)
    return WorkerTuner.create_resource_based(
        target_memory_usage=settings.worker_target_memory,
        target_cpu_usage=settings.worker_target_cpu,
        workflow_config=_slots(workflow_tasks),
        activity_config=_slots(activities),
    )


def _slots(limit: int) -> ResourceBasedSlotConfig:
    return ResourceBasedSlotConfig(minimum_slots=min(_MIN_SLOTS, limit), maximum_slots=limit)
