"""The webhook in front of a real Temporal: nothing that was answered with 200 is ever lost. It needs no cluster."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager

import pytest
from localcluster.ports import free_ports
from support import alert_storm
from workflow.alert_env import ScriptedAlertActivities, alert_worker, enriched, firing, send
from workflow.healing_env import start_dev_server

from prunella_operator.alerts.server import run_webhook
from prunella_operator.config.settings import Settings
from prunella_operator.process import Process
from prunella_operator.temporal.client import EmbeddedTemporal, connect
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.model.alert_policy import AlertHandlingMode

QUEUE = "prunella-alerts"
SHORT = "limit.historyCount.suggestContinueAsNew=60"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def settings(tmp_path):
    webhook, temporal, page = free_ports(3)
    return Settings.load(
        {
            "webhook_port": webhook,
            "webhook_rate": 1000,
            "webhook_burst": 1000,
            "task_queue": QUEUE,
            "temporal_address": "embedded",
            "temporal_port": temporal,
            "temporal_ui_port": page,
            "temporal_db": str(tmp_path / "temporal.db"),
        }
    )


@asynccontextmanager
async def listening(settings):
    async with run_webhook(settings, await connect(settings), Process()):
        yield f"http://127.0.0.1:{settings.webhook_port}"


def recording(client):
    """Activities that distribute grouped alerts and notify no one."""
    record = enriched(AlertHandlingMode.RECORD)
    return ScriptedAlertActivities(enrich=record, distribute=alert_storm.distributing(client, QUEUE))


async def test_a_group_that_is_too_large_for_one_write_each_is_kept_at_once(settings):
    async with EmbeddedTemporal(settings), listening(settings) as url:
        client = await connect(settings, lazy=False)
        async with alert_worker(client, recording(client)):
            answers = await alert_storm.send(url, alert_storm.notifications(200, distinct=200, group=200), within=0)
            kept = await alert_storm.kept(client, 200)
    assert answers.codes == {200: 1}
    assert set(kept.values()) == {1}


async def test_a_storm_is_kept_and_deduplicated(settings):
    async with EmbeddedTemporal(settings), listening(settings) as url:
        client = await connect(settings, lazy=False)
        notified = enriched(AlertHandlingMode.NOTIFY)
        activities = ScriptedAlertActivities(enrich=notified, distribute=alert_storm.distributing(client, QUEUE))
        async with alert_worker(client, activities):
            answers = await alert_storm.send(url, alert_storm.notifications(300, distinct=60, group=1), within=15)
            kept = await alert_storm.kept(client, 60)
    assert answers.codes[200] == 300
    assert min(kept.values()) >= 1
    assert len(activities.requests("enrich")) == len(activities.requests("notify")) == 60


async def test_while_temporal_is_away_nothing_is_taken_and_nothing_is_lost(settings):
    async with EmbeddedTemporal(settings) as server, listening(settings) as url:
        bodies = alert_storm.notifications(100, distinct=100, group=5)
        sending = asyncio.create_task(alert_storm.send(url, bodies, within=5))
        await asyncio.sleep(2)
        os.kill(server.pid, signal.SIGKILL)  # it is started again by itself
        answers = await sending
        client = await connect(settings, lazy=False)
        async with alert_worker(client, recording(client)):
            kept = await alert_storm.kept(client, 100)
    assert set(answers.codes) <= {200, 503}
    assert answers.codes[200] == 20
    assert set(kept) == alert_storm.fingerprints(100)
    assert min(kept.values()) >= 1


async def test_with_no_temporal_at_all_every_alert_comes_again(settings):
    async with listening(settings) as url:
        sending = asyncio.create_task(
            alert_storm.send(url, alert_storm.notifications(4, distinct=4, group=2), within=0)
        )
        await asyncio.sleep(1)
        async with EmbeddedTemporal(settings):
            answers = await sending
            client = await connect(settings, lazy=False)
            async with alert_worker(client, recording(client)):
                kept = await alert_storm.kept(client, 4)
    assert answers.codes[503] >= 1
    assert sum(kept.values()) == 4


async def test_a_history_that_has_grown_long_goes_on_in_a_new_run():
    """Its state is carried over: a repeat after that changes nothing either."""
    activities = ScriptedAlertActivities(enrich=enriched(AlertHandlingMode.NOTIFY))
    async with start_dev_server(dev_server_extra_args=["--dynamic-config-value", SHORT]) as environment:
        client = environment.client
        async with alert_worker(client, activities):
            first = await send(client, firing())
            for _ in range(40):
                await send(client, firing())
                await asyncio.sleep(0.02)
            now = client.get_workflow_handle_for(AlertHandling.run, first.id)
            state, runs = await now.query(AlertHandling.get_state), (await now.describe()).run_id
    assert runs != first.first_execution_run_id
    assert (
        state.round,
        state.book.repeats,
        len(activities.requests("enrich")),
        len(activities.requests("notify")),
    ) == (1, 40, 1, 1)
