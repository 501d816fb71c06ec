"""Earned autonomy in the activities: read only where it must be earned, obeyed at the write, and counted at the end."""

import pytest
from builders import NOW, a_report, an_attempt
from fakes.kube import FakeKube, failing
from fakes.objects import KILLED, LONG_AGO, WEB, a_cluster, a_deployment, a_pod, a_replica_set, announced, at

from prunella_operator.activities import Activities
from prunella_operator.activities.recording import unpack
from prunella_operator.activities.report import record_trials
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.track_records import TrackRecords, name_of
from prunella_workflows.contracts.healing import DiagnoseRequest, RepairOrder, ReportRequest
from prunella_workflows.healing.state import initial_state
from prunella_workflows.healing.status_builder import StatusBuilder
from prunella_workflows.model.autonomy import AutonomyNote, Trial
from prunella_workflows.model.errors import Forbidden, Refused
from prunella_workflows.model.incident import Approval, IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.incident_status import Condition, IncidentStatus, Phase

INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
SPEC = IncidentSpec(type=IncidentType.OOM_KILLED, target=TargetRef(kind="Deployment", name="web"))
POLICY = f"{paths.policies('shop')}/trust"
RECORD = paths.track_records("prunella-records", name_of(WEB))


class Watched(FakeKube):
    """Counts the reads of track records."""

    record_reads = 0

    def get(self, path, **params):
        self.record_reads += "configmaps" in path
        return super().get(path, **params)


@pytest.fixture
def kube():
    pods = [a_pod(ready_since=None, status=KILLED)]
    status = {"availableReplicas": 1, "readyReplicas": 1}
    labels = {"prunella.dev/heal": "enabled"}
    kube = a_cluster(Watched(), a_deployment(status=status), [a_replica_set(1)], pods, labels=labels)
    announced(kube, INCIDENT, "uid-web-1-1")
    kube.objects[paths.incidents("shop", "web-1")]["metadata"] |= {"namespace": "shop", "creationTimestamp": LONG_AGO}
    return kube


@pytest.fixture
def activities(kube):
    return Activities(kube, 30.0, ("prunella-system",))


def enable(kube, **rule):
    kube.put(POLICY, {"metadata": {"namespace": "shop"}, "spec": {"autonomy": {"enabled": True, **rule}}})


def earn(kube, successes, failures=0):
    signs = [True] * successes + [False] * failures
    trials = [
        Trial(id=f"t{number}", action="SetMemory", succeeded=sign, incident="web-0", at=NOW)
        for number, sign in enumerate(signs)
    ]
    TrackRecords(kube).add(WEB, trials)
    kube.record_reads = 0


def diagnosed(activities, **values):
    request = DiagnoseRequest(incident=INCIDENT, spec=SPEC, opened_at=at(LONG_AGO), target=WEB, **values)
    return activities.diagnose(request)


def blocks(report):
    return [(guard.name, guard.effect.value, guard.reason) for guard in report.guards if guard.held]


def repaired(activities, report, **values):
    step, cause = report.plan.steps[0], report.diagnosis.cause
    order = RepairOrder(incident=INCIDENT, action_id="uid-web-1-1", action=step.action, cause=cause, **values)
    return activities.repair(order)


def test_while_it_is_off_no_record_is_read_nor_kept(activities, kube):
    report = diagnosed(activities)
    repaired(activities, report)
    assert (report.autonomy, blocks(report), kube.record_reads) == (None, [], 0)
    activities.close(ReportRequest(incident=INCIDENT, status=ended(an_attempt(verdict="NotHealed"), autonomy=None)))
    assert (kube.record_reads, RECORD in kube.objects) == (0, False)


def test_without_a_record_the_plan_is_only_shown(activities, kube):
    enable(kube)
    report = diagnosed(activities)
    assert (report.autonomy.level, report.autonomy.action) == ("Observe", "SetMemory")
    assert blocks(report) == [("Mode", "ShowOnly", "NotEarned")]
    assert not report.approval_needed


def test_seven_successes_earn_approval_and_twenty_heal(activities, kube):
    enable(kube)
    earn(kube, 7)
    report = diagnosed(activities)
    assert (report.approval_needed, blocks(report)) == (True, [("Approval", "Ask", "ApprovalNeeded")])
    earn(kube, 20)
    report = diagnosed(activities)
    assert (report.approval_needed, blocks(report), report.autonomy.level) == (False, [], "Heal")
    assert repaired(activities, report).template_hash


def test_what_could_never_leave_observe_begins_at_approval(activities, kube):
    """With checks of the policy, measurements decide, and those of then are not kept."""
    check = {"name": "errors", "query": 'x{pod=~"$pods"}', "threshold": 1}
    enable(kube)
    kube.objects[POLICY]["spec"]["verification"] = {"checks": [check]}
    report = diagnosed(activities)
    assert blocks(report) == [("Approval", "Ask", "ApprovalNeeded")]
    with pytest.raises(Exception, match="guard Approval blocks now"):
        repaired(activities, report, lowest=report.autonomy.lowest)
    answer = Approval(decision="Approved", by="alice")
    assert repaired(activities, report, lowest=report.autonomy.lowest, answer=answer).template_hash


def test_the_record_is_among_the_recorded_facts(activities, kube):
    enable(kube)
    earn(kube, 7)
    facts = unpack(diagnosed(activities).record)
    assert facts.track_record.actions["SetMemory"].successes == 7


def test_the_policys_mode_is_the_limit(activities, kube):
    enable(kube)
    kube.objects[POLICY]["spec"]["mode"] = "Observe"
    earn(kube, 20)
    assert blocks(diagnosed(activities)) == [("Mode", "ShowOnly", "ObserveMode")]


def test_a_demotion_since_the_diagnosis_stops_the_write(activities, kube):
    enable(kube)
    earn(kube, 20)
    report = diagnosed(activities)
    TrackRecords(kube).add(WEB, [Trial(id="t99", action="SetMemory", succeeded=False, incident="web-9", at=NOW)])
    with pytest.raises(Exception, match="guard Mode blocks now"):
        repaired(activities, report)
    assert kube.of("json_patch") == []


def test_a_repair_of_this_incident_that_did_not_help_counts_at_once(activities, kube):
    enable(kube)
    earn(kube, 20)
    report = diagnosed(activities, tried=(an_attempt(),))
    assert report.autonomy.failures == 1
    assert report.autonomy.level == "Observe"
    assert ("Mode", "Escalate", "NotEarned") in blocks(report)


def ended(*attempts, verified="True", autonomy=None, phase=Phase.ESCALATED):
    condition = Condition(type="Verified", status=verified, reason="Stable", last_transition_time=NOW)
    return IncidentStatus(
        phase=phase, target="Deployment/web", attempts=attempts, conditions=(condition,), autonomy=autonomy
    )


NOTE = AutonomyNote(action="SetMemory", level="Heal", workload_uid=WEB.uid)


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [({"verdict": "Healed", "undone": False}, (1, 0)), ({"verdict": "NotHealed", "undone": True}, (0, 1))],
)
def test_the_end_of_an_incident_is_counted_once(activities, kube, attempt, expected):
    request = ReportRequest(incident=INCIDENT, status=ended(an_attempt(**attempt), autonomy=NOTE))
    for _ in range(2):
        activities.close(request)
    known = TrackRecords(kube).read(WEB).actions["SetMemory"]
    assert (known.successes, known.failures) == expected


@pytest.mark.parametrize("error", [Forbidden("no"), Refused("too large")])
def test_a_wrong_repair_lowers_although_the_record_cannot_be_written(activities, kube, error):
    enable(kube)
    earn(kube, 60)
    status = ended(an_attempt(action_id="uid-web-0-1", finished_at=NOW), autonomy=NOTE)
    kube.before = failing(error, times=9, method="PATCH", part="configmaps")
    records = ReportRequest(incident=INCIDENT.model_copy(update={"name": "web-0"}), status=status)
    record_trials(TrackRecords(kube), records)
    assert diagnosed(activities).autonomy.level == "Heal"
    meta = {"namespace": "shop", "creationTimestamp": LONG_AGO}
    kube.put(paths.incidents("shop", "web-0"), {"metadata": meta}, **status.to_object())
    report = Activities(kube, 30.0, ("prunella-system",)).diagnose(
        DiagnoseRequest(incident=INCIDENT, spec=SPEC, opened_at=at(LONG_AGO), target=WEB)
    )
    assert (report.autonomy.level, report.autonomy.failures) == ("Approval", 1)
    assert blocks(report) == [("Approval", "Ask", "ApprovalNeeded")]


def test_a_wrong_repair_is_counted_although_its_incident_was_deleted(activities, kube):
    del kube.objects[paths.incidents("shop", "web-1")]
    with pytest.raises(Exception, match="web-1"):
        activities.close(ReportRequest(incident=INCIDENT, status=ended(an_attempt(), autonomy=NOTE)))
    assert TrackRecords(kube).read(WEB).actions["SetMemory"].failures == 1


def test_the_incident_shows_the_level_with_its_reasons():
    from builders import a_request

    state = initial_state(a_request(), "run", NOW)
    StatusBuilder(state).diagnosed(a_report(autonomy=NOTE), NOW)
    StatusBuilder(state).diagnosed(a_report(), NOW)  # the policy was changed meanwhile: what was done still counts
    assert state.status.autonomy == NOTE
