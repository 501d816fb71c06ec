"""Watching: a healing takes few activities, and a watch outlives the worker that began it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest
from builders import ago
from temporalio.api.enums.v1 import EventType
from workflow.healing_env import HEALED, SETTLING, ScriptedActivities, healing_worker, judged, seen, start_incident

from prunella_operator.activities import watch
from prunella_operator.activities.watch import Watches
from prunella_operator.config.settings import Settings
from prunella_operator.runtime.worker import build_watcher
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Presence

HOLDING = judged(reason="Holding").model_copy(update={"calm_since": ago(1)})
SETTINGS = Settings(task_queue="prunella-test")
WATCHING = seen(Presence.WATCHING, "Watching")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Time is not skipped while an activity is open."""
    monkeypatch.setattr(watch, "_VERIFY_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "_PAUSE_SHARE", 10_000)


class Checks:
    """Real watches of scripted checks."""

    def __init__(self, confirm, verify):
        self.script = {"confirm": iter(confirm), "verify": iter(verify)}
        self.requests = []

    def confirm(self, _request):
        answer = next(self.script["confirm"])
        return answer.model_copy(update={"sighting": answer.sighting.model_copy(update={"again": 0.01})})

    def verify(self, request):
        self.requests.append(request)
        return next(self.script["verify"])


async def scheduled(handle):
    """The number of activities that the workflow scheduled, by name."""
    events = (await handle.fetch_history()).events
    kind = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    return Counter(
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.event_type == kind
    )


async def test_a_healing_of_many_checks_schedules_few_activities(workflow_env):
    checks = Checks([*[WATCHING] * 20, seen()], [*[SETTLING] * 20, *[HOLDING] * 20, HEALED])
    activities = ScriptedActivities()
    with ThreadPoolExecutor(2) as pool:
        watches = Watches(checks, pool)
        activities.confirm, activities.verify = watches.confirm, watches.verify
        async with workflow_env.healing_worker(activities):
            handle = await workflow_env.start_incident()
            assert (await handle.result()).phase is Phase.HEALED
    counts = await scheduled(handle)
    assert len(checks.requests) == 41
    assert (counts["confirm"], counts["verify"]) == (1, 3)
    assert counts.total() <= 15


async def test_a_watch_is_continued_by_another_worker(workflow_env):
    client, activities = workflow_env.client, ScriptedActivities(confirm=[seen()])
    first, second = Checks([], repeat(HOLDING)), Checks([], [HEALED])
    with ThreadPoolExecutor(2) as pool:
        activities.verify = Watches(first, pool).verify
        async with healing_worker(client, activities, watches=False):
            handle = await start_incident(client)
            async with build_watcher(client, SETTINGS, [activities.confirm, activities.verify]):
                while len(first.requests) < 20:
                    await handle.describe()
            async with build_watcher(client, SETTINGS, [Watches(second, pool).verify]):
                assert (await handle.result()).phase is Phase.HEALED
    assert (second.requests[0].calm_since, second.requests[0].known) == (HOLDING.calm_since, ("Holding",))
    assert (await scheduled(handle))["verify"] == 2
