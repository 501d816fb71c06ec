"""Measurements in the evidence, and the policy's checks during verification: a missing answer is never an error."""

from datetime import timedelta

import pytest
from fakes.kube import FakeKube
from fakes.metrics import NOTHING, FakeSource
from fakes.objects import LONG_AGO, WEB, a_cluster, a_deployment, a_pod, a_replica_set, at

from prunella_operator import clock
from prunella_operator.activities import Activities
from prunella_operator.activities import verify as verifying
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash, template_of
from prunella_operator.metrics.port import NotConfigured
from prunella_operator.metrics.usage import UsageReader
from prunella_workflows.contracts.healing import DiagnoseRequest, VerifyRequest
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.labels import LAST_ACTION
from prunella_workflows.model.measurement import NoData, Reading, Series, Why
from prunella_workflows.model.outcome import Verdict
from prunella_workflows.model.plan import Settle
from prunella_workflows.model.policy_verification import Check

MI = 1 << 20
OPENED = at(LONG_AGO)
INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
AWAY = NoData(why=Why.UNREACHABLE, message="Prometheus cannot be reached: Connection refused")
KILLED = {
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": LONG_AGO}},
}
LABELS = {"__name__": "container_memory_working_set_bytes", "pod": "web-a", "container": "app"}


def a_spec(type_=IncidentType.POD_CRASH_LOOP):
    return IncidentSpec(type=type_, target=TargetRef(kind="Deployment", name="web"))


def use():
    return (Series(labels=LABELS, readings=(Reading(value=60 * MI, at=clock.now()),)),)


def a_ramp():
    start = clock.now() - timedelta(minutes=11)
    readings = tuple(Reading(value=(20 + 2 * n) * MI, at=start + timedelta(seconds=30 * n)) for n in range(22))
    return Series(labels={"pod": "web-a", "container": "app", "id": "1"}, readings=readings)


@pytest.fixture
def kube():
    return a_cluster(FakeKube(), replica_sets=[a_replica_set(1)], pods=[a_pod()])


@pytest.fixture
def killed():
    labels = {"prunella.dev/heal": "enabled"}
    pods = [a_pod(ready_since=None, status=KILLED)]
    return a_cluster(FakeKube(), a_deployment(), [a_replica_set(1)], pods, labels=labels)


def gathered(kube, source, type_, *, full):
    return EvidenceCollector(kube, 30, UsageReader(kube, source)).evidence(WEB, a_spec(type_), OPENED, full=full)


@pytest.mark.parametrize("full", [False, True], ids=["brief", "full"])
@pytest.mark.parametrize("type_", [IncidentType.HIGH_CPU, IncidentType.HIGH_MEMORY])
def test_use_is_measured_where_pressure_is_the_question(kube, type_, full):
    evidence = gathered(kube, FakeSource(found=use()), type_, full=full)
    (container,) = evidence.usage.containers
    assert (container.pod, container.memory_bytes, evidence.usage_note) == ("web-a", 60 * MI, "")


@pytest.mark.parametrize("full", [False, True], ids=["brief", "full"])
def test_and_nowhere_else(kube, full):
    source = FakeSource(found=use())
    evidence = gathered(kube, source, IncidentType.POD_CRASH_LOOP, full=full)
    assert (evidence.usage, evidence.usage_note, source.queries) == (None, "", [])


def test_a_source_without_an_answer_leaves_a_note(kube):
    evidence = gathered(kube, FakeSource(found=AWAY), IncidentType.HIGH_CPU, full=False)
    assert evidence.usage is None
    assert "Connection refused" in evidence.usage_note


def test_without_any_source_pressure_cannot_be_seen(kube):
    assert "prometheus_url" in gathered(kube, NotConfigured(), IncidentType.HIGH_CPU, full=True).usage_note


def test_an_oom_kill_is_measured_when_it_is_diagnosed(killed):
    source = FakeSource(found=use(), grown=(a_ramp(),))
    full = gathered(killed, source, IncidentType.OOM_KILLED, full=True)
    assert full.usage is not None
    assert full.memory_growing == ("app",)
    assert gathered(killed, source, IncidentType.OOM_KILLED, full=False).usage is None


def test_an_end_by_137_may_be_an_oom_kill_and_is_measured(kube):
    ended = {**KILLED, "lastState": {"terminated": {"reason": "Error", "exitCode": 137, "finishedAt": LONG_AGO}}}
    a_cluster(kube, pods=[a_pod(ready_since=None, status=ended)])
    full = gathered(kube, FakeSource(found=use(), grown=(a_ramp(),)), IncidentType.POD_CRASH_LOOP, full=True)
    assert full.usage is not None
    assert full.memory_growing == ("app",)


@pytest.mark.parametrize("history", [NOTHING, AWAY], ids=["no history", "history away"])
def test_without_a_history_no_leak_is_suspected(killed, history):
    source = FakeSource(found=use(), grown=history)
    assert gathered(killed, source, IncidentType.OOM_KILLED, full=True).memory_growing == ()


def test_an_oom_kill_without_any_source_is_diagnosed_as_ever(killed):
    killed.list, everything = lambda path, **more: _without_metrics(everything, path, more), killed.list
    evidence = gathered(killed, NotConfigured(), IncidentType.OOM_KILLED, full=True)
    assert (evidence.usage, evidence.usage_note, evidence.memory_growing) == (None, "", ())


def _without_metrics(everything, path, params):
    from prunella_workflows.model.errors import NotFound

    if "metrics.k8s.io" in path:
        raise NotFound(path)
    return everything(path, **params)


def diagnosed(kube, source, type_):
    activities = Activities(kube, 30.0, ("prunella-system",), source)
    request = DiagnoseRequest(incident=INCIDENT, spec=a_spec(type_), opened_at=OPENED, target=WEB)
    return activities.diagnose(request)


def test_people_read_what_the_pods_use(killed):
    report = diagnosed(killed, FakeSource(found=use(), grown=(a_ramp(),)), IncidentType.OOM_KILLED)
    notes = {note.source: note.message for note in report.evidence}
    assert notes["Usage"] == "pod web-a, container app: ?, 60 MiB"
    assert "it may be leaking" in report.diagnosis.message


def test_people_read_why_nobody_knows(killed):
    report = diagnosed(killed, FakeSource(found=AWAY), IncidentType.OOM_KILLED)
    assert "Connection refused" in {note.source: note.message for note in report.evidence}["Usage"]


# Checks


def a_policy(kube, *checks):
    spec = {"verification": {"checks": list(checks)}}
    kube.put(f"{paths.policies('shop')}/checked", {"metadata": {"namespace": "shop"}, "spec": spec})


ERRORS = {"name": "errors", "query": 'rate(errors{namespace="$namespace",pod=~"$pods"}[1m])', "threshold": 0.5}
REQUESTS = {"name": "requests", "query": 'x{deployment="$workload",kind="$kind"}', "operator": ">", "threshold": 1}


def test_the_checks_travel_with_the_step(killed):
    a_policy(killed, ERRORS)
    report = diagnosed(killed, NotConfigured(), IncidentType.OOM_KILLED)
    assert report.has_checks
    (check,) = report.plan.steps[0].settle.checks
    assert (check.name, check.query) == ("errors", ERRORS["query"])


def test_a_placeholder_that_nobody_knows_names_policy_and_field(killed):
    a_policy(killed, {**ERRORS, "query": 'x{pod="$pod"}'})
    named = r"policy checked: spec\.verification\.checks: .*\[0\]\.query of errors: \$pod is no"
    with pytest.raises(Exception, match=named):
        diagnosed(killed, NotConfigured(), IncidentType.OOM_KILLED)


def looked(kube, source, *checks, has_checks=False, timeout=60):
    """Verification of a repair that was written long ago and has held since."""
    live = kube.objects[paths.workload(WEB)]
    live["metadata"].setdefault("annotations", {})[LAST_ACTION] = "uid-web-1-1"
    request = VerifyRequest(
        target=WEB,
        action_id="uid-web-1-1",
        template_hash=template_hash(template_of({"kind": "Deployment", **live})),
        written_at=OPENED,
        settle=Settle(timeout=timeout, window=30, checks=tuple(Check.model_validate(check) for check in checks)),
        has_checks=has_checks,
    )
    return Activities(kube, 30.0, (), source).verify(request)


@pytest.fixture
def healthy():
    status = {"availableReplicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "replicas": 1}
    return a_cluster(
        FakeKube(), a_deployment(replicas=1, status={**status, "observedGeneration": 1}), [a_replica_set(1)], [a_pod()]
    )


def test_without_checks_nobody_is_asked(healthy):
    source = FakeSource()
    assert looked(healthy, source).verdict is Verdict.HEALED
    assert source.queries == []


def test_all_checks_true(healthy):
    source = FakeSource({"errors": 0.1, 'x{deployment="web"': 5})
    assert looked(healthy, source, ERRORS, REQUESTS).verdict is Verdict.HEALED
    assert source.queries == [
        'rate(errors{namespace="shop",pod=~"(?:web-a)"}[1m])',
        'x{deployment="web",kind="Deployment"}',
    ]


def test_a_check_that_is_false(healthy):
    judgement = looked(healthy, FakeSource({"errors": 0.7}), ERRORS)
    assert (judgement.verdict, judgement.reason) == (Verdict.NOT_HEALED, "CheckFailed")
    assert judgement.message == "check errors is 0.7 and must be <= 0.5"


def test_a_check_without_an_answer(healthy):
    judgement = looked(healthy, FakeSource({"errors": AWAY}), ERRORS)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "ChecksUnavailable")
    assert "Connection refused" in judgement.message


def test_checks_without_a_prometheus(healthy):
    judgement = looked(healthy, NotConfigured(), ERRORS)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "ChecksUnavailable")
    assert "prometheus_url" in judgement.message


def test_a_step_of_an_earlier_release_knows_only_that_there_were_checks(healthy):
    judgement = looked(healthy, FakeSource({"errors": 0.1}), has_checks=True)
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "ChecksUnavailable")


def test_a_recorded_query_that_is_refused_today_is_no_answer(healthy):
    judgement = looked(healthy, FakeSource(), {**ERRORS, "query": 'x{pod="$pod"}'})
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "$pod is not a placeholder" in judgement.message


def test_pods_that_fail_are_not_asked_about(healthy):
    source = FakeSource({"errors": 0.1})
    healthy.objects["/api/v1/namespaces/shop/pods/web-a"]["status"]["conditions"] = []
    assert looked(healthy, source, ERRORS).verdict is not Verdict.HEALED
    assert source.queries == []


def test_a_look_ends_in_time_whatever_the_source_does(healthy, monkeypatch):
    """Its activity is given up after half a minute."""
    passed = iter(range(0, 1000, 5))
    monkeypatch.setattr(verifying.clock, "monotonic", lambda: next(passed))
    source = FakeSource({"errors": AWAY})
    many = [{**ERRORS, "name": f"errors-{n}"} for n in range(16)]
    judgement = looked(healthy, source, *many)
    assert len(source.queries) == 1
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "no time left" in judgement.message
