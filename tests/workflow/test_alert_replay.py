"""Alerts that are being handled must survive an upgrade: recorded histories replay on the workflow as it is now."""

import re

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError
from workflow.alert_changed import Changed
from workflow.record_alert_histories import HISTORIES, SCENES

from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.temporal.sandbox import workflow_runner

RECORDED = sorted(HISTORIES.glob("*.json"))


def _name(path):
    return path.stem


async def _replay(kind, path):
    replayer = Replayer(workflows=[kind], workflow_runner=workflow_runner(), data_converter=pydantic_data_converter)
    await replayer.replay_workflow(WorkflowHistory.from_json("alert-0123456789abcdef", path.read_text()))


def test_every_scene_is_recorded():
    assert set(SCENES) <= {_name(path) for path in RECORDED}


@pytest.mark.parametrize("path", RECORDED, ids=_name)
async def test_replays(path):
    await _replay(AlertHandling, path)


@pytest.mark.parametrize("path", RECORDED, ids=_name)
async def test_a_careless_change_is_caught(path):
    with pytest.raises(NondeterminismError):
        await _replay(Changed, path)


@pytest.mark.parametrize("path", RECORDED, ids=_name)
def test_nothing_of_the_machine_is_recorded(path):
    assert set(re.findall(r'"identity": "([^"]*)"', path.read_text())) <= {"prunella-test", ""}
    assert "stackTrace" not in path.read_text()
