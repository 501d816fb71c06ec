"""Incidents whose objects are gone are read back from a real Temporal's visibility."""

import asyncio
from datetime import timedelta

from builders import INCIDENT, a_request
from workflow.healing_env import ScriptedActivities, healing_worker, start_dev_server, start_incident

from prunella_operator.reporting.archived_incidents import read_workflows


async def until_found(look):
    """Visibility lags behind."""
    async with asyncio.timeout(30):
        while not (found := await look()):  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.2)
    return found


async def test_what_a_finished_workflow_tells_of_its_incident():
    request = a_request()
    async with start_dev_server() as environment, healing_worker(environment.client, ScriptedActivities()):
        status = await (await start_incident(environment.client)).result()
        since = (await environment.get_current_time()) - timedelta(hours=1)
        (found,) = await until_found(lambda: read_workflows(environment.client, since, ()))
        assert await read_workflows(environment.client, since, {INCIDENT.uid}) == []
        assert await read_workflows(environment.client, since + timedelta(hours=2), ()) == []
    assert found.status == status
    assert found.spec == request.spec
    assert (found.namespace, found.name) == (INCIDENT.namespace, INCIDENT.name)
    assert found.metadata.creation_timestamp == request.opened_at
