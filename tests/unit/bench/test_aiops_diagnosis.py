"""Prunella's own decisions about what the AIOps case writes: each fault is diagnosed as the mix expects."""

import sys
from pathlib import Path

import pytest
from builders import NOW, WEB, a_container, a_deployment, a_policy, a_revision, a_spec, ago, an_evidence, the_history
from fakes.kube import FakeKube
from msgspec import convert

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))  # scripts, not a package

import aiops_mix as mix
from aiops_faults import FAULTS, REPLICAS, broken, probe_event
from aiops_kubelets import Active, Kubelets, seen
from aiops_metrics import prometheus

from prunella_operator import clock
from prunella_operator.detection.pod_faults import detect_faults
from prunella_operator.detection.pod_status import Pod
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.metrics.prometheus import Prometheus
from prunella_operator.metrics.usage import UsageReader
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.model.evidence import EventView
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.measurement import Why
from prunella_workflows.model.quantity import parse_bytes

NAMED = {kind.name: kind for kind in mix.load()}
CAUSES = {
    "crash-release": "bad_release",
    "image-release": "bad_release",
    "unready-release": "bad_release",
    "gitops-release": "bad_release",
    "config-release": "bad_release",
    "bad-data": "environment_changed",
    "secret-gone": "config_missing",
    "out-of-memory": "pod_oom_killed",
    "memory-at-maximum": "pod_oom_killed",
    "dependency-down": "dependency_down",
    "registry-away": "image_unavailable",
    "hang": "network_timeout",
}
BY_GUARDS = {"gitops-release"}
"""Kinds whose plan a guard stops later."""


def pods_of(kind, monkeypatch):
    """The pods of a service as they are 90 seconds after this fault began; in a rollout two are new."""
    monkeypatch.setattr(clock, "now", lambda: ago(90))
    fault = FAULTS[kind]
    template = broken("shop-1", "service-0001", fault)["spec"]["template"]
    active = Active(fault, frozenset({"uid-3", "uid-4"}))
    new = REPLICAS // 2 if fault.release else REPLICAS
    return [a_raw_pod(number, template, active) for number in range(1, new + 1)]


def a_raw_pod(number, template, active):
    meta = {
        "uid": f"uid-{number}",
        "resourceVersion": "1",
        "namespace": "shop-1",
        "name": f"service-0001-{number}",
        "creationTimestamp": "2026-03-04T11:40:00Z",
        "labels": {"app": "service-0001", "pod-template-hash": "2"},
    }
    since = "2026-03-04T11:40:00Z"
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": since}]
    running = {"name": "app", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": since}}}
    status = {"phase": "Running", "startTime": since, "conditions": ready, "containerStatuses": [running]}
    pod = {"metadata": meta, "spec": {**template["spec"], "nodeName": "fake-1"}, "status": status}
    if active.strikes(seen(pod)):
        active.written[meta["uid"]] = seen(pod), status
        status |= active.fault.status(seen(pod))
    return pod


def evidence_of(kind, raw):
    """The evidence about these pods, and about two healthy ones of the good release during a rollout."""
    fault = FAULTS[kind]
    history = the_history() if fault.release else (a_revision(2, current=True, good_at=ago(7200)),)
    container = a_container(image="prunella.local/shop:1", memory_limit=parse_bytes(fault.memory))
    late = kind == "unready-release"
    values = {"replicas": REPLICAS, "ready_replicas": REPLICAS // 2, "progress_deadline_exceeded": late}
    workload = a_deployment(container, **values)
    events = [probe_event(seen(raw[0]), fault.probe)] if fault.probe else []
    found = [
        EventView(about=raw[0]["metadata"]["name"], reason=one["reason"], message=one["message"]) for one in events
    ]
    pods = tuple(map(pod_view, raw))
    return an_evidence(*pods, workload=workload, revisions=history, events=tuple(found))


@pytest.mark.parametrize("kind", CAUSES)
def test_the_plan_is_the_one_that_the_mix_calls_right(kind, monkeypatch):
    raw = pods_of(kind, monkeypatch)
    diagnosis, plan = decide(Findings(evidence_of(kind, raw)), a_policy())
    assert diagnosis.cause == CAUSES[kind]
    actions = tuple(step.action.kind for step in plan.steps[:1])
    assert actions == NAMED[kind].actions or kind in BY_GUARDS


@pytest.mark.parametrize("kind", sorted(CAUSES.keys() - {"unready-release", "hang"}))
def test_the_fault_is_detected_from_one_status(kind, monkeypatch):
    """The others are pods that run: they are detected after a time, and not from what a status says."""
    signals, _ = detect_faults(convert(pods_of(kind, monkeypatch)[0], Pod), None, NOW)
    assert len(signals) == 1


def test_one_crash_is_no_fault(monkeypatch):
    pod = pods_of("one-crash", monkeypatch)[0]
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1
    assert not detect_faults(convert(pod, Pod), None, NOW)[0]


def test_a_saturated_service_is_scaled_out_until_its_alert_ends(monkeypatch):
    raw, fault, kubelets = pods_of("saturation", monkeypatch), FAULTS["saturation"], Kubelets(None)
    monkeypatch.undo()
    for pod in raw:
        kubelets.on_upsert(pod)
    kubelets.begin("service-0001", fault)
    views = tuple(map(pod_view, raw))
    with prometheus(kubelets) as server:
        reader = UsageReader(FakeKube(), Prometheus(server.url, 5))
        usage = reader.now(WEB, views)
        assert reader.growth(WEB, views).why is Why.EMPTY
    assert {container.pod for container in usage.containers} == {view.name for view in views}
    workload = a_deployment(a_container(cpu_request=0.01), replicas=REPLICAS)
    values = {"incident": a_spec(type=IncidentType.HIGH_CPU), "workload": workload, "usage": usage, "read_at": usage.at}
    diagnosis, plan = decide(Findings(an_evidence(*views, **values)), a_policy())
    assert diagnosis.cause == "high_cpu"
    assert plan.steps[0].action.kind in NAMED["saturation"].actions
    assert fault.enough <= plan.steps[0].action.replicas_to
