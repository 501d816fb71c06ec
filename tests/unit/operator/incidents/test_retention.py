"""Ended incidents go, by age, by workload and in all; open ones never."""

from datetime import UTC, datetime, timedelta

import pytest
from fakes.kube import FakeRest, failing
from hypothesis import given
from hypothesis import strategies as st

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.incidents.retention import (
    MAX_ESCALATION,
    MIN_AGE,
    Limits,
    Retention,
    find_expired,
)
from prunella_operator.incidents.view import EscalationNote, IncidentHead, Metadata, Status, Times
from prunella_operator.kubernetes import paths
from prunella_operator.runtime.leader_election import NotLeader
from prunella_workflows.model.errors import Conflict, NotFound
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.labels import KEEP, WORKLOAD

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LIMITS = Limits(healed=timedelta(days=7), for_people=timedelta(days=30), per_workload=3, total=100)
OPEN = [phase for phase in Phase if not phase.closed]
NEEDS_NOBODY = [Phase.HEALED, Phase.RECOVERED, Phase.DRY_RUN_DONE, Phase.SUPPRESSED, Phase.CANCELLED]
FOR_PEOPLE = [Phase.ESCALATED, Phase.FAILED]


@pytest.fixture(autouse=True)
def now(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)


def put(rest, name, phase=Phase.HEALED, age=timedelta(days=1), *, workload="web", labels=None, **status):
    """An incident that ended so long ago."""
    at = NOW - age
    marks = {WORKLOAD: workload} if workload else {}
    meta = {"namespace": "shop", "creationTimestamp": at.isoformat(), "labels": {**marks, **(labels or {})}}
    if phase.closed:
        status["times"] = {"closedAt": at.isoformat()}
    return rest.kube.put(paths.incidents("shop", name), {"metadata": meta}, phase=phase.value, **status)


def left(rest):
    return {path.rpartition("/")[2] for path in rest.kube.objects}


@pytest.fixture
def rest():
    return FakeRest()


async def swept(rest, limits=LIMITS):
    await Retention(rest, limits).sweep()
    return left(rest)


@pytest.mark.parametrize("phase", NEEDS_NOBODY)
async def test_what_needs_nobody_goes_after_its_time(rest, phase):
    put(rest, "old", phase, timedelta(days=7, seconds=1))
    put(rest, "new", phase, timedelta(days=6))
    assert await swept(rest) == {"new"}


@pytest.mark.parametrize("phase", FOR_PEOPLE)
async def test_what_people_have_stays_longer(rest, phase):
    put(rest, "old", phase, timedelta(days=30, seconds=1))
    put(rest, "new", phase, timedelta(days=29))
    assert await swept(rest) == {"new"}


@pytest.mark.parametrize("phase", OPEN)
async def test_an_open_one_stays_however_old_it_is_and_however_many_there_are(rest, phase):
    for number in range(5):
        put(rest, f"open-{number}", phase, timedelta(days=1000))
    assert len(await swept(rest, LIMITS._replace(per_workload=1, total=1))) == 5
    assert rest.kube.writes == []


async def test_one_without_a_status_is_open(rest):
    meta = {"namespace": "shop", "creationTimestamp": "2020-01-01T00:00:00Z"}
    rest.kube.put(paths.incidents("shop", "fresh"), {"metadata": meta})
    assert await swept(rest, LIMITS._replace(total=1)) == {"fresh"}


async def test_one_that_people_are_still_being_told_of_stays(rest):
    put(rest, "called", Phase.ESCALATED, timedelta(days=7), escalation={"reason": "Relapse"})
    put(rest, "answered", Phase.ESCALATED, timedelta(days=7), escalation={"ended": "Acknowledged"})
    assert await swept(rest, LIMITS._replace(for_people=timedelta(days=1), total=1)) == {"called"}


async def test_one_whose_escalation_never_ended_goes_by_the_same_limits(rest):
    """Its workflow was terminated, or Temporal has lost its data."""
    put(rest, "old", Phase.ESCALATED, timedelta(days=31), escalation={"reason": "Relapse"})
    for number in range(5):
        put(rest, f"lost-{number}", Phase.ESCALATED, timedelta(days=9), escalation={"reason": "Relapse"})
    assert len(await swept(rest)) == LIMITS.per_workload
    assert "old" not in left(rest)


async def test_one_that_somebody_keeps_stays(rest):
    put(rest, "kept", age=timedelta(days=90), labels={KEEP: "true"})
    put(rest, "not-kept", age=timedelta(days=90), labels={KEEP: "false"})
    assert await swept(rest) == {"kept"}


async def test_of_one_workload_the_latest_stay(rest):
    for number in range(6):
        put(rest, f"web-{number}", age=timedelta(hours=4 + number))
    put(rest, "other", workload="api", age=timedelta(days=2))
    assert await swept(rest) == {"web-0", "web-1", "web-2", "other"}


async def test_those_that_people_opened_count_by_their_target(rest):
    for number in range(5):
        put(rest, f"by-hand-{number}", workload="", target="Deployment/web", age=timedelta(hours=4 + number))
    assert len(await swept(rest)) == 3


async def test_of_too_many_those_go_that_ended_first(rest):
    for number in range(20):
        put(rest, f"w-{number:02}", workload=f"w-{number}", age=timedelta(hours=4 + number))
    put(rest, "open", Phase.VERIFYING, timedelta(days=3))
    kept = await swept(rest, LIMITS._replace(total=10))
    assert kept == {"open", *(f"w-{number:02}" for number in range(9))}


async def test_what_ended_a_moment_ago_stays(rest):
    """Budgets and the check for a continuing fault read it."""
    for number in range(20):
        put(rest, f"web-{number}", age=timedelta(minutes=number))
    assert len(await swept(rest, LIMITS._replace(per_workload=1, total=1))) == 20


async def test_one_that_changed_since_is_looked_at_again_later(rest):
    put(rest, "a", age=timedelta(days=90))
    put(rest, "b", workload="b", age=timedelta(days=91))
    rest.kube.before = failing(Conflict("modified"), method="DELETE", part="/a")
    assert await swept(rest) == {"a"}
    rest.kube.before = failing(NotFound("gone"), method="DELETE", part="/a")
    assert await Retention(rest, LIMITS).sweep() == 0
    assert await swept(rest) == set()


async def test_exactly_what_was_looked_at_is_deleted(rest):
    """A namesake that was made meanwhile is another one."""
    put(rest, "web-1", age=timedelta(days=90))

    def replace(method, path):
        if method == "DELETE":
            rest.kube.objects[path]["metadata"]["uid"] = "another"

    rest.kube.before = replace
    assert await swept(rest) == {"web-1"}


async def test_who_leads_no_longer_deletes_nothing(rest):
    put(rest, "old", age=timedelta(days=90))
    rest.kube.before = failing(NotLeader("another one"), method="DELETE")
    with pytest.raises(NotLeader):
        await Retention(rest, LIMITS).sweep()


def test_the_limits_are_those_of_the_settings():
    assert Limits.from_settings(Settings.load({})) == Limits(timedelta(days=7), timedelta(days=30), 20, 2000)


AGES = st.timedeltas(timedelta(0), timedelta(days=60))
INCIDENTS = st.lists(st.tuples(st.sampled_from(list(Phase)), AGES, st.sampled_from("abc"), st.booleans()), max_size=40)


@given(INCIDENTS, st.integers(1, 5), st.integers(1, 20))
def test_whatever_there_is_only_what_may_go_goes_and_the_limits_hold(several, per_workload, total):
    incidents = [an_incident(number, *fields) for number, fields in enumerate(several)]
    limits = LIMITS._replace(per_workload=per_workload, total=total)
    gone = {expired.incident.metadata.uid for expired in find_expired(incidents, limits, NOW)}
    kept = [incident for incident in incidents if incident.metadata.uid not in gone]
    must_stay = [
        incident
        for incident in incidents
        if not incident.closed
        or NOW - incident.status.times.closed_at <= (MAX_ESCALATION if incident.escalating else MIN_AGE)
    ]
    assert gone.isdisjoint(incident.metadata.uid for incident in must_stay)
    assert len(kept) <= max(total, len(must_stay))
    for workload in "abc":
        assert len([item for item in kept if item not in must_stay and item.status.target == workload]) <= per_workload


def an_incident(number, phase, age, workload, is_told):
    at = NOW - age
    meta = Metadata(namespace="shop", name=f"{number}", uid=f"{number}", resource_version="1", creation_timestamp=at)
    note = EscalationNote() if is_told and phase is Phase.ESCALATED else None
    status = Status(phase=phase, target=workload, times=Times(closed_at=at if phase.closed else None), escalation=note)
    return IncidentHead(metadata=meta, status=status)
