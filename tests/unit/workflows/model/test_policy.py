"""Policies: durations as people write them, and how several policies become one."""

from datetime import UTC, datetime, timedelta

import pytest
from builders import MI
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prunella_workflows.model.duration import format_duration, parse_duration
from prunella_workflows.model.hours import QuietHours
from prunella_workflows.model.policy import (
    BUILT_IN,
    ClusterHealingPolicySpec,
    EffectivePolicy,
    HealingPolicySpec,
    PolicyMode,
    PolicySpec,
)
from prunella_workflows.model.policy_escalation import EscalationLevel, EscalationRule
from prunella_workflows.model.policy_limits import Limits, Resize
from prunella_workflows.model.policy_merge import merge


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("2m30s", 150),
        ("1h", 3600),
        ("7d", 604800),
        ("1d2h3m4s", 93784),
        ("0s", 0),
        (12, 12),
        (0.5, 0.5),
    ],
)
def test_reads_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "1.5h", "-3s", "30s2m", "5 m", "1w", "s", "90s\n", "PT5M"])
def test_refuses_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_that_is_written_is_read_back(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(150, "2m30s"), (0, "0s"), (86400, "1d"), (0.4, "0s"), (-3, "0s")])
def test_writes_durations(seconds, text):
    assert format_duration(seconds) == text


def test_a_policy_is_read_as_people_write_it_and_written_the_same():
    spec = PolicySpec.model_validate(
        {
            "mode": "Heal",
            "grace": "20s",
            "limits": {"memoryMax": "512Mi"},
            "approval": {"timeout": "2d"},
            "verification": {"window": "2m30s"},
        }
    )
    written = spec.to_object()
    assert spec.limits.memory_max == 512 * MI
    assert (written["grace"], written["limits"]["memoryMax"]) == ("20s", "512Mi")
    assert (written["approval"]["timeout"], written["verification"]["window"]) == ("2d", "2m30s")


@pytest.mark.parametrize(
    "spec",
    [
        {"grace": "soon"},
        {"limits": {"memoryMax": "much"}},
        {"limits": {"memoryMax": "1e99999999999"}},
        {"mode": "Destroy"},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(spec):
    with pytest.raises(ValidationError):
        PolicySpec.model_validate(spec)


def test_every_field_of_the_built_in_policy_has_a_value():
    assert not _unset_fields(BUILT_IN.model_dump())
    assert BUILT_IN.mode is PolicyMode.OBSERVE


def _unset(values):
    for key, value in values.items():
        if value is None:
            yield key
        elif isinstance(value, dict):
            yield from _unset(value)


def _unset_fields(values):
    return list(_unset(values))


def test_without_policies_the_built_in_one_holds():
    policy = merge(BUILT_IN)
    assert policy == EffectivePolicy.model_validate(BUILT_IN.model_dump())
    assert policy.sources == ()


def test_the_most_specific_wins_field_by_field():
    cluster = ClusterHealingPolicySpec.model_validate(
        {"mode": "Heal", "grace": "30s", "limits": {"memoryMax": "1Gi", "memoryFactor": 2}, "causes": ["bad_release"]}
    )
    namespace = HealingPolicySpec.model_validate({"limits": {"memoryMax": "512Mi"}, "causes": []})
    workload = HealingPolicySpec.model_validate(
        {"selector": {"matchLabels": {"app": "web"}}, "grace": "1m", "limits": {"attempts": 1}}
    )

    policy = merge(BUILT_IN, ("cluster", cluster), ("namespace", namespace), ("workload", workload))

    assert policy.mode is PolicyMode.HEAL  # from the cluster
    assert policy.grace == 60  # workload over cluster
    assert policy.limits == Limits(
        memory_max=512 * MI,  # namespace over cluster
        memory_factor=2,  # cluster over built-in
        memory_min_step=64 * MI,  # built-in
        replicas_max=10,
        attempts=1,  # workload
        resize=Resize.ROLLOUT,
    )
    assert policy.causes == ()  # an empty list is a value: all causes again
    assert policy.verification == BUILT_IN.verification
    assert policy.sources == ("cluster", "namespace", "workload")
    assert not _unset_fields(policy.model_dump())


def test_a_list_is_replaced_as_a_whole():
    cluster = PolicySpec.model_validate({"maintenanceWindows": [{"start": "22:00", "end": "06:00"}]})
    namespace = PolicySpec.model_validate({"maintenanceWindows": [{"days": ["Sat"], "start": "10:00", "end": "12:00"}]})
    windows = merge(BUILT_IN, ("a", cluster), ("b", namespace)).maintenance_windows
    assert [(window.days, window.start) for window in windows] == [(("Sat",), "10:00")]


def test_zero_is_a_value():
    policy = merge(BUILT_IN, ("a", PolicySpec.model_validate({"grace": "0s", "budgets": {"concurrentPerCluster": 0}})))
    assert (policy.grace, policy.budgets.concurrent_per_cluster) == (0, 0)


@pytest.mark.parametrize(
    ("hours", "moment", "loud"),
    [
        ([], "Wed 23:00", "Wed 23:00"),
        ([("22:00", "06:00")], "Wed 21:59", "Wed 21:59"),
        ([("22:00", "06:00")], "Wed 22:00", "Thu 06:00"),
        ([("22:00", "06:00")], "Thu 05:59", "Thu 06:00"),
        ([("22:00", "06:00")], "Thu 06:00", "Thu 06:00"),
        ([("12:00", "13:00")], "Wed 12:30", "Wed 13:00"),
        ([("22:00", "06:00"), ("06:00", "08:00")], "Wed 23:00", "Thu 08:00"),
        ([("00:00", "23:59")], "Wed 00:30", "Wed 23:59"),
        ([("00:00", "12:00"), ("11:00", "00:00")], "Wed 00:30", "Wed 00:30"),  # never loud: better loud than lost
        ([("00:00", "23:00", "Sat", "Sun"), ("23:00", "00:00", "Sat", "Sun")], "Sat 10:00", "Mon 00:00"),
    ],
)
def test_quiet_hours_end_at_the_first_moment_outside_of_all(hours, moment, loud):
    rule = EscalationRule(
        quiet_hours=tuple(QuietHours(start=start, end=end, days=tuple(days)) for start, end, *days in hours)
    )
    assert f"{rule.quiet_until(_moment(moment)):%a %H:%M}" == loud


@pytest.mark.parametrize(
    ("moment", "loud"),
    [
        ("2026-03-27T21:30:30", "2026-03-28T05:00"),  # a night of winter: six o'clock is 05:00 UTC
        ("2026-03-28T21:30:00", "2026-03-29T04:00"),  # the night in which the clock goes forward
        ("2026-10-24T20:30:00", "2026-10-25T05:00"),  # the night in which it goes back
    ],
)
def test_quiet_hours_end_by_the_clock_of_their_zone(moment, loud):
    rule = EscalationRule(quiet_hours=(QuietHours(start="22:00", end="06:00", time_zone="Europe/Berlin"),))
    assert f"{rule.quiet_until(datetime.fromisoformat(moment + '+00:00')):%Y-%m-%dT%H:%M}" == loud


def test_quiet_hours_of_several_zones_are_waited_out_together():
    london = QuietHours(start="22:00", end="07:00", time_zone="Europe/London")
    york = QuietHours(start="22:00", end="07:00", time_zone="America/New_York")
    rule = EscalationRule(quiet_hours=(london, york))
    assert rule.quiet_until(datetime(2026, 1, 5, 23, tzinfo=UTC)) == datetime(2026, 1, 6, 12, tzinfo=UTC)


@st.composite
def spans(draw):
    clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))
    days = draw(st.sets(st.sampled_from(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))))
    zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
    end = draw(clock | st.sampled_from(["24:00", "7:00"]))
    return QuietHours(start=draw(clock), end=end, days=tuple(sorted(days)), time_zone=draw(zones))


CLOCK_CHANGES = [datetime(2026, month, day, tzinfo=UTC) for month, day in ((1, 6), (3, 28), (4, 4), (10, 24), (10, 31))]


@settings(max_examples=60, deadline=None)
@given(st.lists(spans(), min_size=1, max_size=3), st.sampled_from(CLOCK_CHANGES), st.integers(0, 2 * 86400))
def test_quiet_hours_end_as_if_each_minute_were_looked_at(hours, day, second):
    rule, moment = EscalationRule(quiet_hours=tuple(hours)), day + timedelta(seconds=second)
    found, limit = moment, moment + timedelta(days=8)
    while found < limit and any(span.cover(found) for span in hours):
        found = found.replace(second=0, microsecond=0) + timedelta(minutes=1)
    assert rule.quiet_until(moment) == (found if found < limit else moment)


def test_that_quiet_hours_never_end_is_found_in_a_few_looks(monkeypatch):
    looks = []
    cover = QuietHours.cover
    monkeypatch.setattr(QuietHours, "cover", lambda span, now: looks.append(now) or cover(span, now))
    half_days = (QuietHours(start="00:00", end="12:00"), QuietHours(start="11:00", end="00:00"))
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    assert EscalationRule(quiet_hours=half_days).quiet_until(moment) == moment
    assert len(looks) < 50


def _moment(text):
    day, clock = text.split()
    hour, minute = map(int, clock.split(":"))
    number = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun").index(day)
    return datetime(2026, 3, 2 + number, hour, minute, tzinfo=UTC)


def test_the_ladder_begins_with_the_channels_and_goes_by_time():
    levels = (EscalationLevel(after=3600, channels=("boss",)), EscalationLevel(after="15m", channels=("pager",)))
    rule = EscalationRule(channels=("chat",), levels=levels)
    assert [(level.after, level.channels) for level in rule.ladder] == [
        (0, ("chat",)),
        (900, ("pager",)),
        (3600, ("boss",)),
    ]
    assert [level.channels for level in EscalationRule().ladder] == [()]
