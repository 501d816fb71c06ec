"""Workflows that are under way must survive an upgrade: recorded histories replay on the workflows as they are now.

`python tests/workflow/record_histories.py` records them; its docstring says when that is right.
"""

import base64
import json
import re
import socket
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError
from workflow.changed_workflows import PatchedSelfHealing
from workflow.record_histories import FAMILIES, HISTORIES, MAX_LINES, SCENES, history_path

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.temporal.sandbox import workflow_runner

RECORDED = sorted(path.relative_to(HISTORIES).with_suffix("").as_posix() for path in HISTORIES.rglob("*.json"))


async def _replay(workflow, name):
    replayer = Replayer(workflows=[workflow], workflow_runner=workflow_runner(), data_converter=pydantic_data_converter)
    workflow_id = _family(name).workflow_id
    await replayer.replay_workflow(WorkflowHistory.from_json(workflow_id, history_path(name).read_text()))


def _family(name):
    return FAMILIES[name.partition("/")[0]]


def test_every_scene_is_recorded():
    assert set(SCENES) <= set(RECORDED)


@pytest.mark.parametrize("name", RECORDED)
async def test_replays(name):
    await _replay(_family(name).workflow, name)


@pytest.mark.parametrize("name", RECORDED)
async def test_a_careless_change_is_caught(name):
    with pytest.raises(NondeterminismError):
        await _replay(_family(name).careless, name)


@pytest.mark.parametrize("name", ["healings/healed", "patched/healed"], ids=["before the patch", "after it"])
async def test_a_change_behind_a_patch_replays_what_began_before_and_after_it(name):
    await _replay(PatchedSelfHealing, name)


async def test_what_began_after_a_patch_does_not_replay_without_it():
    with pytest.raises(NondeterminismError):
        await _replay(SelfHealing, "patched/healed")


@pytest.mark.parametrize("name", RECORDED)
def test_a_history_can_be_looked_through_and_holds_nothing_of_the_machine(name):
    recorded = history_path(name).read_text()
    assert recorded.count("\n") <= MAX_LINES
    text = recorded + "\n".join(_payloads(json.loads(recorded)))
    assert "stackTrace" not in text
    assert not re.search(r"/(home|root|work|usr|tmp|opt|var|Users)/", text)
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert set(re.findall(r'"identity": "([^"]*)"', text)) <= {"prunella-test", ""}


def _payloads(value):
    if isinstance(value, dict):
        if isinstance(value.get("data"), str):
            yield base64.b64decode(value["data"]).decode()
        for member in value.values():
            yield from _payloads(member)
    elif isinstance(value, list):
        for member in value:
            yield from _payloads(member)
