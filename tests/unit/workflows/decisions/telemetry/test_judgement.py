"""Judgement of windows of one service: errors, latency, gaps, restarts, drift, and the changes that are told."""

import copy
import json
import math
from datetime import timedelta

import pytest
from support.streams import FAST, Stream, a_ref, scaled

from prunella_workflows.decisions.telemetry.judgement import judge
from prunella_workflows.decisions.telemetry.windows import GaugeSample, LogCounts, Pod, Resource, ServiceCounts, Window
from prunella_workflows.model.telemetry import AnomalyKind
from prunella_workflows.model.telemetry_policy import TelemetryPolicy

LEARNT = 100  # windows: a block of 90, and some


def learnt(share=0.001, requests=100, **more):
    return Stream().feed(LEARNT, requests=requests, share=share, **more)


def kinds(anomalies):
    return [each.kind for each in anomalies]


def test_silent_until_learnt():
    stream = Stream().feed(80, share=0.5)
    assert (stream.opened, stream.last.learning) == ([], 2)
    stream = learnt()
    assert (stream.opened, stream.last.learning) == ([], 0)
    baseline = stream.learnt[-1]
    assert baseline.error_share == pytest.approx(0.001, abs=0.0005)
    assert baseline.p95_ms == pytest.approx(8.35, abs=0.1)


def test_normal_values_are_told_when_they_change():
    stream = learnt()
    told = len(stream.learnt)
    assert len(stream.feed(60).learnt) == told
    assert len(stream.feed(60).learnt) > told


@pytest.mark.parametrize(("share", "within"), [(0.05, 90), (0.2, 30), (0.5, 20)])
def test_errors_are_found_and_dated(share, within):
    stream = learnt()
    begin = stream.time
    while not stream.opened:
        stream.feed(1, share=share)
    (found,) = stream.opened
    assert stream.time - begin <= timedelta(seconds=within)
    assert found.kind is AnomalyKind.ERROR_RATE
    assert abs(found.since - begin) <= timedelta(seconds=10)
    assert found.share == pytest.approx(share, rel=0.3)
    assert found.baseline < 0.003


def test_a_large_rise_needs_two_windows_of_few_requests():
    assert learnt(requests=30).feed(1, requests=30, share=0.2).opened == []
    assert kinds(learnt(requests=30).feed(2, requests=30, share=0.2).opened) == [AnomalyKind.ERROR_RATE]


def test_a_small_rise_of_few_requests_needs_more():
    stream = learnt(requests=30).feed(4, requests=30, share=0.07)
    assert stream.opened == []
    assert kinds(stream.feed(12, requests=30, share=0.07).opened) == [AnomalyKind.ERROR_RATE]


def test_latency_is_found_and_dated():
    stream = learnt()
    begin = stream.time
    stream.feed(6, shift=8)
    (found,) = stream.opened
    assert (found.kind, found.since, found.ratio) == (AnomalyKind.LATENCY, begin, pytest.approx(2, abs=0.05))


def test_slightly_slower_is_significant_but_not_told():
    assert learnt().feed(30, shift=2).opened == []


def test_one_burst_is_no_anomaly():
    stream = learnt()
    stream.feed(1, share=0.5).feed(30, share=0.001)
    assert stream.opened == []


def test_over_after_six_quiet_windows():
    stream = learnt().feed(4, share=0.3)
    end = stream.time
    stream.feed(5)
    assert stream.ended == []
    stream.feed(1)
    (over,) = stream.ended
    assert (over.until, over.fingerprint) == (end, stream.opened[0].fingerprint)
    assert stream.last.ongoing == ()


def test_few_requests_do_not_end_it():
    stream = learnt().feed(4, share=0.3)
    stream.feed(8, requests=1)
    assert stream.ended == []
    assert stream.feed(10, requests=1).ended != []


def test_nothing_is_learnt_while_it_lasts():
    stream = learnt().feed(400, share=0.3)
    assert stream.last.ongoing[0].baseline < 0.003
    assert kinds(stream.opened) == [AnomalyKind.ERROR_RATE]


def test_after_a_day_it_is_the_new_normal():
    stream = learnt().feed(5, share=0.3)
    stream.states["services"]["shop/web"][2][13] -= 86400  # its onset
    stream.feed(1, share=0.3)
    assert len(stream.ended) == 1
    assert stream.feed(LEARNT, share=0.3).last.learning == 0
    assert len(stream.opened) == 1


def test_a_gap_is_neither_healthy_nor_bad():
    stream = learnt().feed(4, share=0.3)
    stream.judge(Window(stream.time))
    stream.gap(60).feed(1, share=0.3)
    assert (stream.ended, len(stream.last.ongoing)) == ([], 1)
    assert learnt().gap(500).feed(20, share=0.001).opened == []


def test_an_hour_without_data_gives_it_up():
    stream = learnt().feed(4, share=0.3)
    end = stream.time
    stream.gap(400).feed(1, name="other")
    assert [each.until for each in stream.ended] == [end]


def test_a_service_with_few_requests():
    stream = Stream().feed(150, requests=3, share=0.002)
    assert stream.feed(60, requests=3, share=0.002).opened == []
    stream.feed(12, requests=3, share=0.5)
    assert kinds(stream.opened) == [AnomalyKind.ERROR_RATE]
    assert not stream.opened[0].critical


def test_a_baseline_with_the_fault_in_it_is_replaced():
    stream = Stream().feed(30, share=0.3).feed(60).feed(120)
    assert stream.learnt[-1].error_share < 0.005
    assert kinds(stream.feed(12, share=0.06).opened) == [AnomalyKind.ERROR_RATE]


def test_a_restart_is_no_anomaly():
    """The process starts again: no requests for half a minute, then a slow one in ten, and an error or two."""
    stream = learnt().gap(3)
    stream.feed(1, share=0.02, durations={**FAST, 45: 10}).feed(30, share=0.001)
    assert stream.opened == []


def test_slow_drift_and_a_daily_wave_are_learnt():
    stream = learnt()
    for step in range(300):
        stream.feed(3, share=0.001 + 0.005 * step / 300)
    for hour in range(24):
        wave = math.sin(2 * math.pi * hour / 24)
        stream.feed(30, requests=int(100 + 60 * wave), shift=round(wave))
    assert stream.opened == []


def test_the_same_for_any_cut_into_batches():
    one, other = Stream(), Stream()
    windows = []
    for number in range(130):
        bad = 30 if 100 <= number < 110 else 0
        counts = ServiceCounts(a_ref("web"), 100, bad, bad, scaled(100))
        windows.append(Window(one.time + timedelta(seconds=10 * number), (counts,)))
    for window in windows:
        one.judge(window)
    other.judge(*windows)
    assert json.dumps(one.states) == json.dumps(other.states)
    assert one.ended == other.ended != []
    assert other.opened == []


def test_states_are_json_and_the_input_is_left_alone():
    stream = learnt().feed(3, share=0.3)
    states = json.loads(json.dumps(stream.states))
    before, answered = copy.deepcopy(states), copy.deepcopy(stream.states)
    window = Window(stream.time, (ServiceCounts(a_ref("web"), 100, 30, 30, scaled(100)),))
    answers = [judge([window], states), judge([window], states), judge([window], stream.states)]
    assert (states, stream.states) == (before, answered)
    assert answers[0] == answers[1]
    assert json.dumps(answers[0].states) == json.dumps(answers[2].states)


def test_states_of_a_later_version_are_read():
    stream = learnt()
    states = json.loads(json.dumps(stream.states))
    states["new"] = 1
    row = states["services"]["shop/web"]
    row[2].append("new")
    row[3].append("new")
    row.append("new")
    window = Window(stream.time, (ServiceCounts(a_ref("web"), 100, 0, 0, scaled(100)),))
    assert judge([window], states).learning == 0


def test_windows_are_judged_once():
    stream = learnt()
    window = Window(stream.time, (ServiceCounts(a_ref("web"), 100, 40, 40, scaled(100)),))
    stream.judge(window)
    assert judge([window, window], stream.states).states == stream.states


def test_hostile_values_stop_nothing():
    stream = Stream()
    durations = {-(10**9): 5, 10**9: 5, 0: 90}
    name = "'; DROP TABLE x; --<script>\ud800" + "x" * 1000
    stream.feed(LEARNT, name=name, durations=durations, errors=100)
    stream.feed(10, requests=0, name=name, durations={}, errors=0)
    assert stream.last.learning == 0


def test_thresholds_come_from_the_policy():
    policy = TelemetryPolicy(learn=300.0, error_increase=0.2)
    stream = Stream(policy).feed(40, share=0.001)
    assert stream.last.learning == 0
    assert stream.feed(30, share=0.05).opened == []
    assert kinds(stream.feed(10, share=0.4).opened) == [AnomalyKind.ERROR_RATE]


def test_error_logs():
    def window(stream, records):
        logs = (LogCounts(a_ref("web"), "timeout <*>", records), LogCounts(a_ref("other"), "x", 1))
        return Window(stream.time, (ServiceCounts(a_ref("web"), 10),), logs=logs)

    stream = Stream()
    for _ in range(LEARNT):
        stream.judge(window(stream, 1))
    stream.judge(window(stream, 500))
    assert stream.opened == []
    begin = stream.time
    for _ in range(8):
        stream.judge(window(stream, 1))
    for _ in range(6):
        stream.judge(window(stream, 30))
    (found,) = stream.opened
    assert (found.kind, found.detail, found.origin, found.critical) == (AnomalyKind.LOGS, "timeout <*>", None, False)
    assert found.since - begin <= timedelta(seconds=90)
    for _ in range(8):
        stream.judge(window(stream, 1))
    assert len(stream.ended) == 1


def test_a_new_template_is_compared_with_none():
    stream = Stream()
    for number in range(LEARNT + 5):
        logs = [LogCounts(a_ref("web"), "usual", 2)]
        logs += [LogCounts(a_ref("web"), "new", 20)] * (number >= LEARNT)
        stream.judge(Window(stream.time, (ServiceCounts(a_ref("web"), 10),), logs=tuple(logs)))
    assert [each.detail for each in stream.opened] == ["new"]


def test_saturation():
    def window(stream, share):
        pod = Pod("u1")
        return Window(stream.time, gauges=(GaugeSample(a_ref("web"), pod, Resource.MEMORY, share),))

    stream = Stream()
    for _ in range(LEARNT):
        stream.judge(window(stream, 0.5))
    for _ in range(8):
        stream.judge(window(stream, 0.97))
    assert [(each.kind, each.detail) for each in stream.opened] == [(AnomalyKind.SATURATION, "memory")]
    for _ in range(8):
        stream.judge(window(stream, 0.5))
    assert len(stream.ended) == 1


def test_always_full_is_not_unusual():
    stream = Stream()
    for _ in range(LEARNT * 2):
        gauge = GaugeSample(a_ref("web"), Pod("u1"), Resource.CPU, 0.97)
        stream.judge(Window(stream.time, gauges=(gauge,)))
    assert stream.opened == []


def of_a_day_ago(stream, lowest):
    """As if each hour of the day had been seen before, with this lowest minute."""
    for row in stream.states["services"].values():
        row[4][5] = [lowest] * 24


def two(stream, web, other):
    counts = [ServiceCounts(a_ref(name), number) for name, number in (("web", web), ("other", other)) if number]
    stream.judge(Window(stream.time, tuple(counts)))


def test_missing_traffic_is_told_after_a_day():
    stream = Stream()
    for _ in range(380):
        two(stream, 100, 50)
    of_a_day_ago(stream, 300)
    for _ in range(24):
        two(stream, 0, 50)
    (found,) = stream.opened
    assert (found.kind, str(found.subject), found.critical) == (AnomalyKind.TRAFFIC, "shop/web", False)
    for _ in range(12):
        two(stream, 100, 50)
    assert len(stream.ended) == 1


def test_all_traffic_away_is_a_gap():
    stream = Stream()
    for _ in range(380):
        two(stream, 100, 100)
    of_a_day_ago(stream, 300)
    for _ in range(24):
        two(stream, 1, 1)
    assert stream.opened == []


@pytest.mark.parametrize("lowest", [-1, 0])
def test_the_first_day_and_jobs_of_the_hour_tell_nothing(lowest):
    stream = Stream()
    for _ in range(380):
        two(stream, 100, 50)
    of_a_day_ago(stream, lowest)
    for _ in range(24):
        two(stream, 0, 50)
    assert stream.opened == []
