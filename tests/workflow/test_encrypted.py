"""With a key no word of an incident is in Temporal: neither what a healing asks and hears, nor the errors in it."""

import base64
import secrets

import pytest
from builders import a_report, a_spec
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.worker import Replayer
from workflow.healing_env import (
    HEALED,
    NOT_HEALED,
    ScriptedActivities,
    healing_worker,
    raised,
    start_incident,
    start_time_skipping,
    written,
)

from prunella_operator.temporal.payload_codec import data_converter
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.temporal.sandbox import workflow_runner

CANARY = "canary-7c1f"


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return path


def singing(activities):
    """Everything that hands say has the canary in it: values, and an error that is tried again."""
    activities.script["diagnose"] = [raised(Unavailable(f"{CANARY} does not answer")), a_report(diff=CANARY)]
    activities.script["verify"] = [NOT_HEALED.model_copy(update={"message": CANARY}), HEALED]
    activities.script["repair"] = [written]
    return activities


async def healed(environment, data_converter):
    """The history of a healing, as it is stored, and its end as its client reads it."""
    config = environment.client.config()
    config["data_converter"] = data_converter
    client = Client(**config)
    async with healing_worker(client, singing(ScriptedActivities())):
        handle = await start_incident(client, spec=a_spec(description=CANARY))
        status = await handle.result()
    raw = environment.client.get_workflow_handle(handle.id)
    return status, await raw.fetch_history()


def stored(history):
    """All bytes of a history, its payloads among them."""
    return b"".join(event.SerializeToString() for event in history.events)


async def test_no_word_is_stored_and_who_has_the_key_reads_all(key_file):
    async with start_time_skipping() as environment:
        status, history = await healed(environment, data_converter(str(key_file)))
    assert status.phase is Phase.HEALED
    assert CANARY in status.model_dump_json()
    assert CANARY.encode() not in stored(history)
    assert b"web" not in stored(history)
    await replay(history, data_converter(str(key_file)))


async def test_without_a_key_the_canary_is_found(key_file):
    """So that its absence means something."""
    async with start_time_skipping() as environment:
        _, history = await healed(environment, pydantic_data_converter)
    assert CANARY.encode() in stored(history)
    await replay(history, data_converter(str(key_file)))


async def test_who_lacks_the_key_is_told(key_file):
    async with start_time_skipping() as environment:
        _, history = await healed(environment, data_converter(str(key_file)))
    with pytest.raises(RuntimeError, match="payload_key_file has: none"):
        await replay(history, data_converter(None))


async def replay(history: WorkflowHistory, data_converter: DataConverter):
    replayer = Replayer(workflows=[SelfHealing], workflow_runner=workflow_runner(), data_converter=data_converter)
    await replayer.replay_workflow(history)
