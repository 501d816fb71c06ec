"""The pure parts of the AIOps case: the mix, the day, the faults, the judge and the table."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))  # scripts, not a package

import aiops
import aiops_mix as mix
from aiops_faults import FAULTS, REPLICAS, SeenPod, broken, healthy, recovered
from aiops_incidents import Incidents
from aiops_judge import Downtime, Ended, Outcome, Write, downtime, judge, served_since
from aiops_kubelets import Active, seen
from aiops_mix import Needs
from aiops_table import Day, judged, markdown

KINDS = mix.load()
NAMED = {kind.name: kind for kind in KINDS}
POD = SeenPod("uid-1", "shop-1", "service-0001-a", "service-0001", "1", 256 << 20, "2026-03-04T12:00:00Z", True, True)


def an_outcome(kind, *phases, **values):
    incidents = tuple(Ended(phase, "Stable", "bad_release") for phase in phases)
    return Outcome(0, kind, "service-0001", 1.0, **{"incidents": incidents, "serving": 60.0, **values})


# The mix and the day


def test_the_mix_is_a_day_of_which_a_third_is_not_to_be_repaired():
    total = sum(kind.count for kind in KINDS)
    assert total >= 100
    assert sum(kind.count for kind in KINDS if kind.needs is not Needs.REPAIR) >= total / 3
    assert {kind.needs for kind in KINDS} == set(Needs)


def test_every_kind_can_be_played():
    assert set(FAULTS) == set(NAMED)
    assert all(kind.actions for kind in KINDS if kind.needs is Needs.REPAIR)
    assert not any(kind.actions for kind in KINDS if kind.needs is not Needs.REPAIR)


def test_a_field_that_is_wrong_is_named(tmp_path):
    file = tmp_path / "mix.yaml"
    file.write_text("kinds: [{name: hang, count: many, source: noise, needs: repair, ends: [Healed]}]")
    with pytest.raises(ValidationError, match="count"):
        mix.load(file)


def test_a_whole_day_has_the_counts_of_the_mix():
    chosen = mix.share_out(KINDS, sum(kind.count for kind in KINDS))
    assert all(chosen.count(kind) == kind.count for kind in KINDS)


@pytest.mark.parametrize("events", [1, 12, 77])
def test_a_smaller_day_keeps_the_proportions(events):
    chosen = mix.share_out(KINDS, events)
    total = sum(kind.count for kind in KINDS)
    assert len(chosen) == events
    assert all(abs(chosen.count(kind) - kind.count * events / total) <= 1 for kind in KINDS)


def test_a_seed_decides_the_day():
    day = mix.draw(KINDS, 60, 40, 500, 7)
    assert day == mix.draw(KINDS, 60, 40, 500, 7) != mix.draw(KINDS, 60, 40, 500, 8)
    assert len({event.service for event in day}) == 60
    assert [event.second for event in day] == sorted(event.second for event in day)
    assert all(event.second <= (1200 if event.kind.slow else 2400) for event in day)


def test_there_must_be_a_service_for_each_event():
    with pytest.raises(ValueError, match="larger than population"):
        mix.draw(KINDS, 20, 5, 10, 1)


# Faults


@pytest.mark.parametrize("kind", FAULTS)
def test_only_a_release_changes_the_template(kind):
    fault = FAULTS[kind]
    before, after = (make("shop-1", "service-0001", fault)["spec"]["template"] for make in (healthy, broken))
    assert (before != after) == (fault.release is not None)


def test_a_fault_strikes_by_what_a_pod_is():
    memory = Active(FAULTS["out-of-memory"], frozenset())
    assert memory.strikes(POD)
    assert not memory.strikes(replace(POD, memory=384 << 20)), "the raise has removed the cause"
    release = Active(FAULTS["crash-release"], frozenset())
    assert release.strikes(replace(POD, release="2"))
    assert not release.strikes(POD)
    assert not release.strikes(replace(POD, release="2", running=False)), "its kubelet has not written yet"


def test_a_secret_that_is_gone_hurts_new_pods_only():
    gone = Active(FAULTS["secret-gone"], frozenset({POD.uid}))
    assert not gone.strikes(POD)
    assert gone.strikes(replace(POD, uid="uid-2"))


def test_one_pod_hangs_and_none_that_follows():
    hang = Active(FAULTS["hang"], frozenset())
    hang.written[POD.uid] = POD, {}
    assert not hang.strikes(replace(POD, uid="uid-2"))


def test_a_pod_is_read_as_the_api_server_sends_it():
    raw = {
        "metadata": {"uid": "u", "namespace": "shop-1", "name": "p", "labels": {"app": "service-0001"}},
        "spec": healthy("shop-1", "service-0001", FAULTS["hang"])["spec"]["template"]["spec"],
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert seen(raw) == SeenPod("u", "shop-1", "p", "service-0001", "1", 256 << 20, "", True, True)


@pytest.mark.parametrize(("kind", "restarts"), [("one-crash", 1), ("back-off-helps", 4), ("hang", 0)])
def test_a_container_that_had_ended_runs_again_after_a_restart(kind, restarts):
    (container,) = recovered(FAULTS[kind].status(POD))["containerStatuses"]
    assert container["ready"]
    assert "running" in container["state"]
    assert container["restartCount"] == restarts
    assert bool(container["lastState"]) == (restarts > 0)


def test_an_incident_keeps_the_time_of_its_end():
    incidents = Incidents()
    raw = {"metadata": {"uid": "u"}, "spec": {"target": {"name": "service-0001"}}}
    incidents.on_upsert(raw)
    assert not incidents.settled("service-0001")
    for _ in range(2):
        incidents.on_upsert({**raw, "status": {"phase": "Healed", "reason": "Stable", "rootCause": "bad_release"}})
    (found,) = incidents.of("service-0001")
    assert found.ended == Ended("Healed", "Stable", "bad_release")
    assert found.first <= found.closed
    assert incidents.settled("service-0001")
    assert incidents.settled("service-0002")


# The judge


def test_a_repair_is_right_when_it_is_the_one_that_was_due_and_all_pods_are_ready():
    kind, write = NAMED["crash-release"], Write("apps/deployments", "service-0001", "RestoreTemplate")
    assert judge(kind, an_outcome(kind.name, "Healed", writes=(write,))).right
    assert "not all pods" in judge(kind, an_outcome(kind.name, "Healed", serving=None)).why
    other = judge(kind, an_outcome(kind.name, "Healed", writes=(replace(write, action="Restart"),)))
    assert other.wrong == ("Restart on apps/deployments service-0001",)
    assert not other.right


def test_a_write_to_what_must_be_left_alone_is_wrong():
    kind = NAMED["bad-data"]
    assert judge(kind, an_outcome(kind.name, "Escalated")).right
    verdict = judge(kind, an_outcome(kind.name, "Escalated", writes=(Write("apps/deployments", "service-0001", ""),)))
    assert "no incident reports" in verdict.why
    assert "instead of Escalated" in judge(kind, an_outcome(kind.name, "Recovered")).why


def test_no_incident_is_an_end_too():
    assert judge(NAMED["one-crash"], an_outcome("one-crash")).right
    assert judge(NAMED["one-crash"], an_outcome("one-crash", "Recovered")).right
    assert not judge(NAMED["hang"], an_outcome("hang")).right


def test_downtime_is_counted_from_the_number_of_ready_pods():
    series = [(0.0, 4), (10.0, 2), (20.0, 0), (30.0, 4)]
    found = downtime(series, 5.0, 40.0)
    assert found == Downtime(outage=10.0, lost=15.0, worst=1.0, left=0.0)
    assert downtime(series, 12.0, 22.0) == Downtime(outage=2.0, lost=6.0, worst=1.0, left=1.0)
    assert downtime([(0.0, REPLICAS + 1)], 0.0, 9.0) == Downtime(), "a pod more, during a rollout, is no gain"


def test_a_service_serves_since_the_last_time_that_a_pod_was_missing():
    assert served_since([(0.0, 4), (10.0, 3), (20.0, 4), (30.0, 5)], 5.0) == 20.0
    assert served_since([(0.0, 4)], 5.0) == 5.0
    assert served_since([(0.0, 4), (10.0, 3)], 5.0) is None


# The table


def a_day():
    healed = an_outcome("crash-release", "Healed", detected=2.0, serving=20.0, closed=90.0)
    healed = replace(healed, down=Downtime(lost=10.0, worst=0.25))
    handed_over = an_outcome("bad-data", "Escalated", detected=3.0, serving=None, closed=15.0)
    handed_over = replace(handed_over, number=1, down=Downtime(outage=15.0, lost=15.0, worst=1.0, left=1.0))
    quiet = replace(an_outcome("one-crash"), number=2, down=Downtime(lost=2.0, worst=0.25))
    return Day({"events": 3, "services": 300, "day": 3}, [healed, handed_over, quiet])


def test_the_figures_stand_beside_those_of_the_guide():
    table = markdown(a_day(), KINDS)
    assert "| detection, from the fault to the incident | 15 min | 2 min | median 2.5 s, p95 3.0 s" in table
    assert "| 4 h | 15 min | median 90.0 s, p95 90.0 s, longest 90.0 s | met |" in table
    assert "75 % | 100 % (1 of 1) | met |" in table
    assert "75 % | 50 % (1 of 2) | missed |" in table
    assert "| 20 % (-80 %) | 33 % (1 of 3) | missed |" in table
    assert "| wrong actions |  | 0 | 0 | met |" in table
    assert "| bad-data | person | 1 | 1 | 1 Escalated/Stable | 3.0 s | 15.0 s |" in table


def test_a_fault_without_an_incident_counts_as_never_detected():
    unseen = replace(an_outcome("crash-release"), detected=None)
    seen = replace(an_outcome("crash-release"), detected=2.0)
    table = markdown(Day({"events": 3, "services": 300, "day": 3}, [seen, seen, unseen]), KINDS)
    assert "| 15 min | 2 min | median 2.0 s, p95 never, longest never | missed |" in table


def test_a_service_that_opted_out_has_nothing_to_detect():
    quiet = next(kind.name for kind in KINDS if kind.needs is Needs.PERSON and mix.NO_INCIDENT in kind.ends)
    outcomes = [replace(an_outcome(quiet), detected=None, incidents=()), replace(an_outcome("hang"), detected=2.0)]
    table = markdown(Day({"events": 2, "services": 300, "day": 2}, outcomes), KINDS)
    assert "| 15 min | 2 min | median 2.0 s, p95 2.0 s, longest 2.0 s | met |" in table


def test_the_table_of_an_earlier_run_is_not_shown_for_this_one(tmp_path):
    file = tmp_path / "aiops.json"
    assert "no figures" in aiops.table(file)
    a_day().put(file)
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    assert "no figures" in aiops.table(file, since=written + timedelta(seconds=1))
    assert aiops.table(file, since=written - timedelta(seconds=1)) == aiops.table(file) == markdown(a_day(), KINDS)


def test_a_month_counts_the_hours_of_people():
    """30 days, 300 services: 27 s by pods until the hand-over, four hours after it; before, 0.25 and 1 of 4.25 h."""
    table = markdown(a_day(), KINDS)
    assert "| 24.0 min, of which 0.0 min until the repair or the hand-over; without Prunella 31.9 min | met |" in table
    assert "| 99.95 % | 99.944 %; without Prunella 99.926 % | missed |" in table


def test_what_went_wrong_is_named():
    day = a_day()
    day.outcomes[0] = replace(day.outcomes[0], writes=(Write("apps/deployments", "service-0001", "Scale"),))
    day.bystanders = ["patch apps/deployments shop-1/service-0002"]
    table = markdown(day, KINDS)
    assert "| wrong actions |  | 0 | 2 | missed |" in table
    assert "- event 0, crash-release, service-0001: wrong: Scale on apps/deployments service-0001" in table
    assert "- written beside the events: patch apps/deployments shop-1/service-0002" in table


def test_an_interrupted_day_is_kept(tmp_path):
    day, file = a_day(), tmp_path / "more" / "aiops.json"
    day.put(file)
    assert Day.read(file) == day
    assert markdown(Day({"events": 3, "services": 300, "day": 3}), KINDS) == "no event has ended yet"
    assert [row.by_person for row in judged(day, KINDS)] == [False, True, False]
