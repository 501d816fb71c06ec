"""The key of an effect: shared by a step and its compensation, and another one in each run of any other activity."""

from dataclasses import replace

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment

from prunella_workflows.patterns import idempotency_key
from prunella_workflows.patterns.steps import COMPENSATION, step_id


@activity.defn
def key() -> str:
    return idempotency_key()


def key_of(**values):
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, workflow_id="order-17", workflow_run_id="run-1", **values)
    return environment.run(key)


def test_a_compensation_has_the_key_of_its_step_in_every_run():
    step = step_id("0a1b", 2)
    keys = {
        key_of(activity_id=step),
        key_of(activity_id=step, attempt=3),
        key_of(activity_id=step + COMPENSATION),
    }
    assert keys == {"order-17/saga-0a1b-2"}


def test_other_steps_and_other_sagas_have_other_keys():
    ids = [step_id("0a1b", 1), step_id("0a1b", 2), step_id("0a1b", 12), step_id("ffff", 1)]
    assert len({key_of(activity_id=one) for one in ids}) == len(ids)


def test_an_activity_outside_of_a_saga_has_a_key_of_its_run():
    assert key_of(activity_id="7") == key_of(activity_id="7", attempt=2) == "order-17/run-1/7"


def test_an_activity_without_a_workflow_has_no_key():
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, workflow_id=None)
    with pytest.raises(RuntimeError, match="only an activity of a workflow"):
        environment.run(key)
