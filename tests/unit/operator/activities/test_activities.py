"""Confirm, diagnose, verify, close: they read, call the decisions, return the results. And the Temporal boundary."""

from datetime import timedelta

import pytest
from fakes.kube import FakeKube
from fakes.objects import KILLED, LONG_AGO, WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template, at
from structlog.testing import capture_logs
from temporalio.exceptions import ApplicationError

from prunella_operator import clock
from prunella_operator.activities import Activities
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.contracts.healing import ConfirmRequest, DiagnoseRequest, ReportRequest, VerifyRequest
from prunella_workflows.model import labels
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.incident_status import Attempt, IncidentStatus, Phase
from prunella_workflows.model.outcome import Cause, Effect, Presence, Verdict
from prunella_workflows.model.plan import SetMemory, Settle

INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
SPEC = IncidentSpec(type=IncidentType.OOM_KILLED, target=TargetRef(kind="Deployment", name="web"))
OPENED = at(LONG_AGO)


@pytest.fixture
def kube():
    pods = [a_pod(ready_since=None, status=KILLED)]
    status = {"availableReplicas": 1, "readyReplicas": 1}
    labels = {"prunella.dev/heal": "enabled"}
    return a_cluster(FakeKube(), a_deployment(status=status), [a_replica_set(1)], pods, labels=labels)


@pytest.fixture
def activities(kube):
    return Activities(kube, 30.0, ("prunella-system",))


def diagnosed(activities, **values):
    request = DiagnoseRequest(incident=INCIDENT, spec=SPEC, opened_at=OPENED, target=WEB, **values)
    return activities.diagnose(request)


def test_confirm_resolves_and_looks(activities):
    found = activities.confirm(ConfirmRequest(incident=INCIDENT, spec=SPEC, opened_at=OPENED))
    assert (found.target, found.sighting.presence) == (WEB, Presence.FAILING)


@pytest.mark.parametrize(("found", "error"), [(False, "NotFound"), (True, "TargetDeleted")])
def test_confirm_of_a_target_that_is_gone_is_final(activities, kube, found, error):
    del kube.objects[paths.workload(WEB)]
    with pytest.raises(ApplicationError) as raised:
        activities.confirm(ConfirmRequest(incident=INCIDENT, spec=SPEC, opened_at=OPENED, found=found))
    assert (raised.value.type, raised.value.non_retryable) == (error, True)


def opened_by_an_alert(kube, **annotations):
    """The incident of an alert that fires, with a workload that looks well."""
    marks = {labels.OPENED_BY_ALERT: "f1", labels.FAULT: "f", labels.FAULT_AT: LONG_AGO, **annotations}
    meta = {"namespace": "shop", "creationTimestamp": LONG_AGO, "annotations": marks}
    meta["labels"] = {labels.WORKLOAD: workload_key(WEB), labels.SOURCE: "alerts"}
    kube.put(paths.incidents("shop", "web-1"), {"metadata": meta, "spec": SPEC.to_object()})
    pods = [a_pod("web-a"), a_pod("web-b")]
    a_cluster(kube, a_deployment(), [a_replica_set(1)], pods, labels={"prunella.dev/heal": "enabled"})


def test_calm_pods_are_no_recovery_while_the_alert_fires(activities, kube):
    opened_by_an_alert(kube)
    found = activities.confirm(ConfirmRequest(incident=INCIDENT, spec=SPEC, opened_at=OPENED))
    assert (found.sighting.presence, found.sighting.reason) == (Presence.FAILING, "AlertStillFiring")
    report = diagnosed(activities)
    assert (report.plan.steps, report.plan.reason) == ((), "AlertStillFiring")
    assert "although 2 of 2 pods are ready" in report.plan.message


def test_calm_pods_are_a_recovery_once_the_alert_has_ended(activities, kube):
    opened_by_an_alert(kube, **{labels.ALERT_RESOLVED_AT: clock.now().isoformat()})
    found = activities.confirm(ConfirmRequest(incident=INCIDENT, spec=SPEC, opened_at=OPENED))
    assert found.sighting.presence is Presence.RECOVERED


def test_diagnose_answers_with_cause_plan_guards_and_the_exact_diff(activities, kube):
    report = diagnosed(activities)
    assert report.diagnosis.cause is Cause.POD_OOM_KILLED
    (step,) = report.plan.steps
    assert isinstance(step.action, SetMemory)
    assert not any(guard.held for guard in report.guards)
    assert "-        memory: 64Mi" in report.diff
    assert report.baseline.available == 1
    assert kube.writes == []


def test_a_fault_that_is_gone_for_a_moment_is_looked_at_again(activities, kube):
    """Its kubelet called the pod ready in between."""
    lately = (clock.now() - timedelta(seconds=5)).isoformat()
    hanging = a_pod(status={"ready": False})
    hanging["status"] |= {"startTime": LONG_AGO}
    hanging["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": lately}]
    a_cluster(kube, a_deployment(), [a_replica_set(1)], [hanging], labels={"prunella.dev/heal": "enabled"})
    report = diagnosed(activities)
    held = next(guard for guard in report.guards if guard.held)
    assert (report.diagnosis.cause, held.name, held.effect) == (Cause.UNKNOWN, "ProbeEvents", Effect.WAIT)


def test_a_kill_without_a_reason_waits_for_the_next_run(activities, kube):
    at_once = (clock.now() - timedelta(seconds=5)).isoformat()
    ended = {"terminated": {"reason": "Error", "exitCode": 137, "finishedAt": at_once}}
    status = {"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}
    kube.put("/api/v1/namespaces/shop/pods/web-a", a_pod(ready_since=None, status=status))
    held = next(guard for guard in diagnosed(activities).guards if guard.held)
    assert (held.name, held.effect, held.reason) == ("ProbeEvents", Effect.WAIT, "AwaitingKubeletEvents")
    assert "waiting for the end of its next run" in held.message


def test_the_guilty_object_is_in_the_report(activities, kube):
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "token" not found'}
    kube.put("/api/v1/namespaces/shop/pods/web-a", a_pod(ready_since=None, status={"state": {"waiting": waiting}}))
    report = diagnosed(activities)
    assert (report.diagnosis.cause, report.caused_by.target) == (Cause.CONFIG_MISSING, "Secret/token")
    assert (report.plan.steps, report.guards[0].held) == ((), False)


def test_a_preview_that_cannot_be_made_says_why_and_stops_nothing(activities, kube):
    def vanish(method, path):
        if path == paths.workload(WEB) and sum(request == (method, path) for request in kube.requests) > 1:
            kube.objects[path]["spec"]["template"] = a_template(9, memory="1Gi")

    kube.before = vanish
    assert diagnosed(activities).diff.startswith("(no diff: ")


def test_what_was_tried_reaches_the_playbook(activities):
    tried = Attempt(
        number=1,
        action_id="x-1",
        action="SetMemory",
        target="Deployment/web",
        parameters={"container": "app", "from": "64Mi", "to": "128Mi"},
        started_at=OPENED,
    )
    first, second = diagnosed(activities), diagnosed(activities, tried=(tried,))
    assert second.plan.steps[0].action.limit_to > first.plan.steps[0].action.limit_to


def test_the_same_fault_after_a_repair_goes_on_from_its_attempts(activities, kube):
    marks = {"last-action": "uid-web-0-1", "after": template_hash(a_template(1)), "before": "web-prunella-1"}
    deployment = kube.objects[paths.workload(WEB)]
    deployment["metadata"]["annotations"] = {f"prunella.dev/{key}": value for key, value in marks.items()}
    attempt = {"number": 1, "actionId": "uid-web-0-1", "action": "SetMemory", "target": "Deployment/web"}
    attempt |= {"startedAt": LONG_AGO, "writtenAt": LONG_AGO, "verdict": "Healed"}
    attempt |= {"parameters": {"container": "app", "from": "32Mi", "to": "64Mi"}}
    body = {"metadata": {"namespace": "shop", "creationTimestamp": LONG_AGO}, "spec": {"type": "OOMKilled"}}
    status = {"phase": "Healed", "target": "Deployment/web", "times": {"closedAt": LONG_AGO}, "attempts": [attempt]}
    kube.put(paths.incidents("shop", "web-0"), body, **status)
    report = diagnosed(activities)
    assert [(made.incident, made.verdict) for made in report.earlier] == [("web-0", "NotHealed")]
    assert report.plan.steps[0].action.undo_to.name == "web-prunella-1"
    assert diagnosed(activities, tried=report.earlier).earlier == ()


def verify(activities):
    request = VerifyRequest(
        target=WEB, action_id="x-1", template_hash="h", written_at=OPENED, settle=Settle(timeout=1, window=1)
    )
    return activities.verify(request)


def test_verify_of_what_is_gone_decides_nothing(activities, kube):
    del kube.objects[paths.workload(WEB)]
    judged = verify(activities)
    assert (judged.verdict, judged.reason) == (Verdict.INCONCLUSIVE, "TargetDeleted")


def test_verify_of_what_somebody_changed_decides_nothing(activities):
    assert verify(activities).reason == "ChangedByOthers"


@pytest.mark.parametrize(("phase", "logged"), [(Phase.ESCALATED, 1), (Phase.HEALED, 0)])
def test_an_escalation_is_logged_once_its_end_is_written(activities, kube, phase, logged):
    status = IncidentStatus(phase=phase, target="Deployment/web", message="m", next_step="look")
    kube.put(paths.incidents("shop", "web-1"), {"metadata": {"uid": INCIDENT.uid, "namespace": "shop"}})
    with capture_logs() as logs:
        activities.close(ReportRequest(incident=INCIDENT, status=status))
    expected = ("a person is needed", "error", "Deployment/web", "look")
    assert [(line["event"], line["log_level"], line["target"], line["next_step"]) for line in logs] == [
        expected
    ] * logged
