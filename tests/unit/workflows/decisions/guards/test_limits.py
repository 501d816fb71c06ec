"""Numbers at the write: within the policy as it is now."""

import pytest
from builders import (
    MI,
    WEB,
    a_higher_maximum,
    a_memory_raise,
    a_policy,
    a_precondition,
    a_restart,
    a_rollback,
    a_scaling,
)

from prunella_workflows.decisions.guards import out_of_limits
from prunella_workflows.model.plan import ResizePods

LIMITS = a_policy(limits={"memoryMax": "96Mi", "replicasMax": 5}).limits


def a_resize(to):
    fields = {"target": WEB, "require": a_precondition(), "container": "app", "pods": ()}
    return ResizePods(**fields, limit_from=64 * MI, limit_to=to)


@pytest.mark.parametrize(
    "action",
    [a_memory_raise(), a_resize(96 * MI), a_scaling(), a_higher_maximum(), a_rollback(), a_restart()],
    ids=lambda action: action.kind,
)
def test_up_to_the_limit(action):
    assert out_of_limits(action, LIMITS) == ""


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (a_memory_raise(97 * MI), "97Mi is more than the policy's limits.memoryMax, 96Mi"),
        (a_resize(97 * MI), "97Mi is more than the policy's limits.memoryMax, 96Mi"),
        (a_scaling(6), "6 is more than the policy's limits.replicasMax, 5"),
        (a_higher_maximum(6), "6 is more than the policy's limits.replicasMax, 5"),
    ],
    ids=lambda name: getattr(name, "kind", ""),
)
def test_beyond_it(action, says):
    assert out_of_limits(action, LIMITS) == says
