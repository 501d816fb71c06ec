"""Flapping availability: reported when it falls again and again, and is short for most of the window."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from fakes.apiserver import FakeApi

from prunella_operator.detection.rollouts import DEPLOYMENTS, Rollout, RolloutSource

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def web(available, *, wanted=1, generation=1, updated=None):
    counts = {"replicas": wanted, "updatedReplicas": wanted if updated is None else updated}
    meta = {"name": "web", "namespace": "shop", "uid": "d-1", "resourceVersion": "1", "generation": generation}
    status = {"observedGeneration": generation, "availableReplicas": available, **counts}
    return msgspec.convert({"metadata": meta, "spec": {"replicas": wanted}, "status": status}, Rollout)


def reports(*seen):
    """The minutes of the reports of availability that flaps."""
    found = []
    source = RolloutSource(FakeApi().access, DEPLOYMENTS, found.append, lambda *_: None)
    for minute, obj in seen:
        source.on_upsert(obj, START + timedelta(minutes=minute))
    return [(signal.observed_at - START).total_seconds() / 60 for signal in found if signal.reason == "Flapping"]


def flaps(minutes, up=0.5, down=1.5, **values):
    """Available for a while and not for a while, for so many minutes."""
    wanted, now = values.get("wanted", 1), 0.0
    low = values.pop("low", 0)
    while now < minutes:
        yield now, web(wanted, **values)
        yield now + up, web(low, **values)
        now += up + down


def test_a_workload_whose_pods_are_replaced_again_and_again_is_reported():
    first, *more = reports(*flaps(40))
    assert 5 < first <= 10
    assert more


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param([(0, web(1)), (1, web(0)), (9, web(1))], id="one long outage, which stalls"),
        pytest.param(list(flaps(40, up=9, down=0.5)), id="short breaks"),
        pytest.param(list(flaps(40, wanted=10, low=8)), id="a few pods of many, as in a drain"),
        pytest.param([(n, web(n % 2, generation=n)) for n in range(30)], id="each time another release or scale"),
        pytest.param(
            [(0, web(4, wanted=4)), *((n, web(n % 3, wanted=9, generation=2)) for n in range(20))], id="start"
        ),
    ],
)
def test_others_are_not(seen):
    assert reports(*seen) == []


def test_a_deleted_workload_is_forgotten():
    source = RolloutSource(FakeApi().access, DEPLOYMENTS, lambda _: None, lambda *_: None)
    for minute, obj in flaps(4):
        source.on_upsert(obj, START + timedelta(minutes=minute))
    source.on_delete("d-1", START)
    assert source._flapping._histories == {}


def test_a_workload_that_is_well_again_costs_no_memory():
    source = RolloutSource(FakeApi().access, DEPLOYMENTS, lambda _: None, lambda *_: None)
    for minute, available in ((0, 1), (1, 0), (2, 1), (30, 1)):
        source.on_upsert(web(available), START + timedelta(minutes=minute))
    assert source._flapping._histories == {}
