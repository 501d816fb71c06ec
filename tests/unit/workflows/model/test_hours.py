"""Hours by the clock of a time zone, in the nights in which it is changed too."""

from datetime import datetime

import pytest
from pydantic import ValidationError

from prunella_workflows.model.hours import Hours, MaintenanceWindow
from prunella_workflows.model.policy import PolicySpec

NIGHT = {"start": "22:00", "end": "06:00", "time_zone": "Europe/Berlin"}


def covers(moment, **hours):
    return Hours(**hours).cover(datetime.fromisoformat(moment))


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        pytest.param("2026-01-14T20:59+00:00", False, id="winter, before ten"),
        pytest.param("2026-01-14T21:00+00:00", True, id="winter, ten"),
        pytest.param("2026-01-15T04:59+00:00", True, id="winter, before six"),
        pytest.param("2026-01-15T05:00+00:00", False, id="winter, six"),
        pytest.param("2026-07-14T20:00+00:00", True, id="summer, ten"),
        pytest.param("2026-07-15T04:00+00:00", False, id="summer, six"),
        pytest.param("2026-07-14T16:00-04:00", True, id="a moment of any other zone"),
    ],
)
def test_the_clock_of_the_zone_decides(moment, inside):
    assert covers(moment, **NIGHT) is inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        pytest.param("2026-03-29T00:59+00:00", False, id="01:59, the last minute before the change"),
        pytest.param("2026-03-29T01:00+00:00", True, id="03:00, the first minute after it"),
        pytest.param("2026-03-29T01:29+00:00", True, id="03:29"),
        pytest.param("2026-03-29T01:30+00:00", False, id="03:30"),
    ],
)
def test_a_span_that_begins_in_the_skipped_hour_begins_after_it(moment, inside):
    assert covers(moment, start="02:30", end="03:30", time_zone="Europe/Berlin") is inside


def test_a_span_within_the_skipped_hour_does_not_happen_that_day():
    day = [f"2026-03-29T{hour:02}:{minute:02}+00:00" for hour in range(24) for minute in range(60)]
    assert not any(covers(moment, start="02:10", end="02:50", time_zone="Europe/Berlin") for moment in day)


@pytest.mark.parametrize("moment", ["2026-10-25T00:30+00:00", "2026-10-25T01:30+00:00"])
def test_the_hour_that_comes_twice_counts_twice(moment):
    assert covers(moment, start="02:00", end="03:00", time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        pytest.param("2026-03-01T14:30+00:00", True, id="Sunday in UTC, Monday in Auckland"),
        pytest.param("2026-03-02T14:30+00:00", False, id="Monday in UTC, Tuesday in Auckland"),
    ],
)
def test_days_are_those_of_the_zone(moment, inside):
    assert covers(moment, days=("Mon",), start="03:00", end="04:00", time_zone="Pacific/Auckland") is inside


def test_an_unset_zone_is_utc():
    assert covers("2026-07-14T22:00+00:00", start="22:00", end="06:00")
    assert MaintenanceWindow(start="22:00", end="06:00").time_zone == "UTC"


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../etc/passwd", "/etc/localtime", "+02:00", "Europe"])
def test_an_unknown_zone_is_refused_with_its_field(zone):
    with pytest.raises(ValidationError, match=r"maintenanceWindows\.0\.timeZone[\s\S]*not a time zone"):
        PolicySpec.model_validate({"maintenanceWindows": [{"start": "22:00", "end": "06:00", "timeZone": zone}]})
