"""Many incidents that come at once: what has been begun is brought to its end before more is begun."""

import asyncio

import pytest
from builders import INCIDENT, a_report
from workflow.healing_env import (
    HEALED,
    ScriptedActivities,
    healing_worker,
    seen,
    start_dev_server,
    start_incident,
    written,
)

CROWD = 40


async def slowly(outcome):
    await asyncio.sleep(0.2)  # much longer than a workflow task, also on a busy machine
    return outcome


@pytest.mark.timeout(180)
async def test_of_a_crowd_the_first_are_healed_before_the_last_are_diagnosed():
    activities = ScriptedActivities(
        confirm=lambda _: slowly(seen()),
        diagnose=lambda _: slowly(a_report()),
        repair=lambda order: slowly(written(order)),
        verify=HEALED,
    )
    crowd = [INCIDENT.model_copy(update={"uid": f"uid-{number}"}) for number in range(CROWD)]
    async with start_dev_server() as environment:
        handles = [await start_incident(environment.client, incident=one) for one in crowd]
        async with healing_worker(environment.client, activities, max_concurrent_activities=2):
            ends = [(await handle.result()).phase for handle in handles]
    assert ends == ["Healed"] * CROWD
    diagnosed = activities.order[: activities.order.index("close")].count("diagnose")
    assert diagnosed <= CROWD / 2
