"""The guard of init containers: a rollout waits for one that runs, and gives up at the owner's deadline."""

import pytest
from builders import a_guard_case, a_memory_raise, a_restart, a_rollback, a_scaling, ago

from prunella_workflows.decisions.diagnosis.startup import RunningInit
from prunella_workflows.decisions.guards.init_containers import check_running_init_container
from prunella_workflows.model.outcome import Effect


def migrating(until):
    return RunningInit(pod="web-2-a", container="migrate", until=until)


@pytest.mark.parametrize("action", [a_rollback(), a_memory_raise(), a_restart()], ids=lambda action: action.kind)
@pytest.mark.parametrize(("until", "effect"), [(ago(-1), Effect.WAIT), (ago(0), Effect.ESCALATE)])
def test_a_rollout_waits_for_a_running_init_container(action, until, effect):
    block = check_running_init_container(a_guard_case(action=action, running_init=migrating(until)))
    assert block is not None
    assert (block.effect, block.reason) == (effect, "InitContainerRunning")
    assert "Init container migrate of pod web-2-a still runs" in block.message


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"action": a_rollback()}, id="none runs"),
        pytest.param({"action": a_scaling(), "running_init": migrating(ago(0))}, id="no pod is replaced"),
        pytest.param({"action": None, "running_init": migrating(ago(0))}, id="nothing is written"),
    ],
)
def test_nothing_is_interrupted(values):
    assert check_running_init_container(a_guard_case(**values)) is None
