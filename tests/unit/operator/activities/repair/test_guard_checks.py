"""Guards are counted when they begin to block, and a block immediately before a write is a typed error."""

import pytest
from builders import a_deployment, a_guard_case, a_policy
from prometheus_client import REGISTRY

from prunella_operator.activities.repair.guard_checks import count_blocks, require_pass
from prunella_workflows.decisions.guards import AT_WRITE, evaluate
from prunella_workflows.model.errors import ChangedSince, Held
from prunella_workflows.model.incident_status import GuardNote

PAUSED = {"workload": a_deployment(paused=True)}
LATE = {"policy": a_policy(maintenanceWindows=[{"start": "22:00", "end": "06:00"}])}


def counted(guard="PausedRollout", reason="Paused", effect="Escalate"):
    labels = {"guard": guard, "reason": reason, "effect": effect}
    return REGISTRY.get_sample_value("prunella_guard_holds_total", labels) or 0


def count(known=(), **values):
    count_blocks(evaluate(AT_WRITE, a_guard_case(**values)), known)


def test_a_guard_that_begins_to_hold_is_counted():
    before = counted()
    count(**PAUSED)
    assert counted() == before + 1


@pytest.mark.parametrize(
    ("known", "more"),
    [
        pytest.param(GuardNote(name="PausedRollout", held=True, reason="Paused"), 0, id="it held before"),
        pytest.param(GuardNote(name="PausedRollout", held=True, reason="Other"), 1, id="for another reason"),
        pytest.param(GuardNote(name="PausedRollout", held=False, reason="Paused"), 1, id="it let go meanwhile"),
        pytest.param(GuardNote(name="Other", held=True, reason="Paused"), 1, id="another guard held"),
    ],
)
def test_one_that_goes_on_holding_is_counted_once(known, more):
    before = counted()
    count((known,), **PAUSED)
    assert counted() == before + more


def test_one_that_passes_is_not_counted():
    before = counted(reason="Passed", effect="Allow")
    count()
    assert counted(reason="Passed", effect="Allow") == before


@pytest.mark.parametrize(
    ("case", "error", "message"),
    [
        pytest.param(LATE, Held, "guard MaintenanceWindow blocks now: Waiting for", id="not now"),
        pytest.param(PAUSED, ChangedSince, "guard PausedRollout blocks now: The rollout", id="decide again"),
        pytest.param({**LATE, **PAUSED}, ChangedSince, "PausedRollout", id="the first that holds decides"),
    ],
)
def test_right_before_a_write(case, error, message):
    with pytest.raises(error, match=message):
        require_pass(AT_WRITE, a_guard_case(**case))


def test_nothing_stands_in_the_way():
    require_pass(AT_WRITE, a_guard_case())


def test_what_stops_a_write_is_counted_too():
    before = counted("MaintenanceWindow", "OutsideWindow", "Wait")
    with pytest.raises(Held):
        require_pass(AT_WRITE, a_guard_case(**LATE))
    assert counted("MaintenanceWindow", "OutsideWindow", "Wait") == before + 1
