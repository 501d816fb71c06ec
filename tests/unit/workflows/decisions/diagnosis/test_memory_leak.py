"""Memory growth that counts as a leak, and growth that only looks like one."""

from datetime import timedelta

import pytest
from builders import MI, NOW, a_crashing_container, a_pod, a_restarted_container, ago

from prunella_workflows.decisions.diagnosis.memory_leak import is_leaking, stayed_low
from prunella_workflows.model.measurement import Reading, Series

LIMIT = 64 * MI  # of the builders' pod
STEP = 30
CRASHING = a_pod("web-2-a", a_crashing_container())


def series(values, *, ends=60, pod="web-2-a", container="app", **labels):
    """Readings in MiB, every 30 s; the last one was `ends` seconds ago."""
    start = NOW - timedelta(seconds=ends + STEP * (len(values) - 1))
    readings = tuple(
        Reading(value=value * MI, at=start + timedelta(seconds=STEP * n)) for n, value in enumerate(values)
    )
    return Series(labels={"pod": pod, "container": container, **labels}, readings=readings)


def ramp(start=20, end=62, count=20):
    return [start + (end - start) * n / (count - 1) for n in range(count)]


STEADY = ramp()


@pytest.mark.parametrize(
    ("found", "leaks"),
    [
        pytest.param([series(STEADY)], True, id="steady, to the limit"),
        pytest.param([series(STEADY, id="a", ends=900), series(STEADY, id="b")], True, id="in each of two lives"),
        pytest.param([series(STEADY + STEADY)], True, id="two lives in one series"),
        pytest.param([series([value + (n % 2) for n, value in enumerate(STEADY)])], True, id="a collector frees a bit"),
        pytest.param([series(STEADY, ends=900), series([30, 61], id="b")], True, id="a short life says nothing"),
        pytest.param([], False, id="nothing measured"),
        pytest.param([series([30, 40, 50, 61])], False, id="at the limit within two minutes: it needs that much"),
        pytest.param([series([20, *[60] * 20])], False, id="it needs it from the start"),
        pytest.param([series([20] * 10 + [60] * 10)], False, id="in one leap"),
        pytest.param([series([20] * 19 + [62])], False, id="at the very end"),
        pytest.param([series(ramp(20, 40))], False, id="far from the limit"),
        pytest.param([series(ramp(55, 62))], False, id="hardly grown"),
        pytest.param([series([20 + (n % 4) * 14 for n in range(20)])], False, id="up and down"),
        pytest.param([series(STEADY, ends=900), series([20] * 19 + [62])], False, id="not in each life"),
        pytest.param([series(STEADY, container="proxy")], False, id="another container"),
        pytest.param([series(STEADY, pod="other")], False, id="another pod"),
    ],
)
def test_growth(found, leaks):
    assert is_leaking("app", [CRASHING], found) is leaks


@pytest.mark.parametrize(
    ("found", "low"),
    [
        pytest.param([series(ramp(20, 31))], True, id="less than half of the limit"),
        pytest.param([series(ramp(20, 32))], False, id="half of it"),
        pytest.param([series(ramp(20, 31), ends=900), series(STEADY, id="b")], False, id="not in each life"),
        pytest.param([series([20, 21])], False, id="a short life says nothing"),
        pytest.param([], False, id="nothing measured"),
    ],
)
def test_memory_that_stays_far_below_the_limit(found, low):
    assert stayed_low("app", [CRASHING], found) is low


def test_the_life_that_goes_on_is_not_judged():
    pod = a_pod("web-2-a", a_restarted_container(running_since=ago(300)))
    flat = series([20] * 10, ends=0)
    assert is_leaking("app", [pod], [series(STEADY, ends=330), flat])
    assert not is_leaking("app", [pod], [flat])


def test_a_container_without_a_limit_does_not_reach_it():
    assert not is_leaking("app", [a_pod("web-2-a", a_crashing_container(), memory_limits={})], [series(STEADY)])
