"""Incidents that are under way must survive an upgrade: recorded histories replay on the workflow as it is now.

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
from workflow.changed import Changed
from workflow.record_histories import HISTORIES, SCENES

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.temporal.sandbox import workflow_runner

RECORDED = sorted(HISTORIES.glob("*.json"))


def _name(path):
    return path.stem


async def _replay(workflow, path):
    replayer = Replayer(workflows=[workflow], workflow_runner=workflow_runner(), data_converter=pydantic_data_converter)
    await replayer.replay_workflow(WorkflowHistory.from_json("incident-uid-incident", path.read_text()))


def test_every_scene_is_recorded():
    assert set(SCENES) <= {_name(path) for path in RECORDED}


@pytest.mark.parametrize("path", RECORDED, ids=_name)
async def test_replays(path):
    await _replay(SelfHealing, path)


@pytest.mark.parametrize("path", RECORDED, ids=_name)
async def test_a_careless_change_is_caught(path):
    with pytest.raises(NondeterminismError):
        await _replay(Changed, path)


@pytest.mark.parametrize("path", RECORDED, ids=_name)
def test_nothing_of_the_machine_is_recorded(path):
    text = path.read_text() + "\n".join(_payloads(json.loads(path.read_text())))
    assert not re.search(r"/(home|root|work|usr|tmp|opt|var|Users)/", text)
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert set(re.findall(r'"identity": "([^"]*)"', text)) <= {"prunella-test", ""}


def _payloads(value):
    if isinstance(value, dict):
        if isinstance(value.get("data"), str):
            yield base64.b64decode(value["data"]).decode()
        for one in value.values():
            yield from _payloads(one)
    elif isinstance(value, list):
        for one in value:
            yield from _payloads(one)
