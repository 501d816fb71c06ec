"""Builders of model values: the defaults are healthy, a test overrides what matters to it.

The cast: Deployment `web` in namespace `shop` with one container `app` of 64Mi, three replicas, all well for an hour.
Its current revision is `web-2` (never recorded good unless a test says so), the one before is `web-1`, seen good.
"""

from datetime import UTC, datetime, timedelta

from prunella_workflows.contracts.healing import DiagnoseReport, HealingRequest, Repaired
from prunella_workflows.decisions.guards import GuardCase
from prunella_workflows.decisions.verification.expectation import Expectation
from prunella_workflows.model.evidence import ContainerUsage, Evidence, IncidentSummary, Usage
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.incident_status import Attempt, Phase
from prunella_workflows.model.outcome import Baseline, Cause, Diagnosis
from prunella_workflows.model.plan import (
    EvictPods,
    Plan,
    PodRef,
    Precondition,
    RaiseMaxReplicas,
    Restart,
    RestoreTemplate,
    Scale,
    SetMemory,
    Settle,
    Step,
)
from prunella_workflows.model.policy import BUILT_IN, PolicySpec
from prunella_workflows.model.policy_escalation import EscalationRule
from prunella_workflows.model.policy_merge import merge
from prunella_workflows.model.repair_slot import RepairSlot
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView, PodDisruptionBudgetView, Scaling
from prunella_workflows.model.telemetry import Anomaly, AnomalyKind, ServiceRef, Split, SplitKind, TelemetryView
from prunella_workflows.model.workload import (
    ContainerStatusView,
    ContainerView,
    PodView,
    RevisionRef,
    RevisionView,
    Termination,
    WorkloadRef,
    WorkloadView,
)

MI = 1 << 20
GI = 1 << 30
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
WEB = WorkloadRef(kind="Deployment", namespace="shop", name="web", uid="uid-web")
INCIDENT = IncidentRef(namespace="shop", name="web-oom", uid="uid-incident")


def ago(seconds: float) -> datetime:
    """So many seconds before NOW."""
    return NOW - timedelta(seconds=seconds)


def a_termination(reason="Error", exit_code=1, **values):
    """The end of a run, a minute ago."""
    return Termination(**{"reason": reason, "exit_code": exit_code, "finished_at": ago(60), **values})


def an_oom_kill(exit_code=137, **values):
    return a_termination("OOMKilled", exit_code, **values)


def a_container_status(name="app", **values):
    """A container that has been running for an hour."""
    return ContainerStatusView(**{"name": name, "ready": True, "running_since": ago(3600), **values})


def a_crashing_container(name="app", last=None, **values):
    """A container in CrashLoopBackOff after `last`."""
    end = a_termination() if last is None else last
    return a_container_status(
        name,
        **{"ready": False, "running_since": None, "restarts": 3, "waiting": "CrashLoopBackOff", "last": end, **values},
    )


def a_restarted_container(name="app", last=None, **values):
    """A container that runs again after `last`: the moment between two crashes of a loop."""
    end = a_termination() if last is None else last
    return a_container_status(name, **{"restarts": 3, "running_since": ago(5), "last": end, **values})


def a_waiting_container(reason, name="app", **values):
    """A container that was never started, such as one whose image cannot be pulled."""
    return a_container_status(name, **{"ready": False, "running_since": None, "waiting": reason, **values})


def a_pod(name="web-2-a", *containers, **values):
    """A pod of the current revision, ready for an hour; not ready as soon as one of its containers is not."""
    containers = containers or (a_container_status(),)
    ready = all(container.ready for container in containers if not container.init)
    return PodView(
        **{
            "name": name,
            "uid": f"uid-{name}",
            "created_at": ago(3600),
            "phase": "Running",
            "ready": ready,
            "ready_since": ago(3600) if ready else None,
            "revision": "2",
            "node": "node-a",
            "containers": containers,
            "memory_limits": {"app": 64 * MI},
            **values,
        }
    )


def a_container(name="app", **values):
    """A container of the template: 64Mi limit, 32Mi request."""
    return ContainerView(
        **{
            "name": name,
            "index": 0,
            "image": "registry.example/web:2",
            "memory_limit": 64 * MI,
            "memory_request": 32 * MI,
            **values,
        }
    )


def a_deployment(*containers, **values):
    """Deployment web, three replicas, rolled out."""
    replicas = values.get("replicas", 3)
    return WorkloadView(
        **{
            "ref": WEB,
            "generation": 2,
            "observed_generation": 2,
            "replicas": replicas,
            "updated_replicas": replicas,
            "ready_replicas": replicas,
            "available_replicas": replicas,
            "total_replicas": replicas,
            "template_hash": "hash-2",
            "revision": "2",
            "containers": containers or (a_container(),),
            **values,
        }
    )


def an_unavailable_deployment(*containers, **values):
    """Deployment web whose current revision does not start."""
    return a_deployment(*containers, **{"ready_replicas": 2, "available_replicas": 2, **values})


def a_revision(number, *, good_at=None, **values):
    """A ReplicaSet of the history."""
    return RevisionView(
        **{
            "ref": RevisionRef(source="ReplicaSet", name=f"web-{number}", template_hash=f"hash-{number}"),
            "number": number,
            "images": (f"registry.example/web:{number}",),
            "memory_limits": {"app": 64 * MI},
            "created_at": ago(86400),
            "good_at": good_at,
            **values,
        }
    )


def a_snapshot(name="web-snapshot-1", template_hash="hash-1", **values):
    """A template that we kept ourselves; it survives the deletion of the Deployment."""
    return RevisionView(
        **{
            "ref": RevisionRef(source="Snapshot", name=name, template_hash=template_hash),
            "images": ("registry.example/web:1",),
            "memory_limits": {"app": 64 * MI},
            "good_at": ago(7200),
            **values,
        }
    )


def the_history(**current):
    """Revision 1, seen good, and the current revision 2, not seen good."""
    return a_revision(1, good_at=ago(7200)), a_revision(2, current=True, **current)


def a_service(name="web", **values):
    """A service that is the Deployment of the same name."""
    return ServiceRef(**{"service": name, "namespace": "shop", "kind": "Deployment", "workload": name, **values})


def an_anomaly(**values):
    """Two fifths of the requests to the pods of web's current revision have failed for 100 seconds, by themselves."""
    return Anomaly(
        **{
            "fingerprint": "0123456789abcdef",
            "kind": AnomalyKind.ERROR_RATE,
            "subject": a_service(),
            "since": ago(100),
            "critical": True,
            "requests": 300,
            "share": 0.4,
            "baseline": 0.005,
            "ratio": 80.0,
            "origin": a_service(),
            "split": Split(kind=SplitKind.NEW_PODS, name="2"),
            "pod_uids": tuple(f"uid-web-2-{letter}" for letter in "abc"),
            "traces": ("0af7651916cd43dd8448eb211c80319c",),
            **values,
        }
    )


def a_telemetry(*anomalies, **values):
    """Telemetry of web, read up to 20 seconds ago: it serves 600 requests a minute as usual, but for the anomalies."""
    return TelemetryView(
        **{
            "read_to": ago(20),
            "requests": 600,
            "error_share": 0.4 if anomalies else 0.005,
            "error_baseline": 0.005,
            "p95_ms": 80.0,
            "p95_baseline_ms": 80.0,
            "anomalies": anomalies,
            **values,
        }
    )


def a_spec(**values):
    """An Incident about Deployment web."""
    return IncidentSpec(
        **{"target": TargetRef(kind="Deployment", name="web"), "type": IncidentType.POD_CRASH_LOOP, **values}
    )


def an_evidence(*pods, **values):
    """Three healthy pods, no history, an incident that was opened five minutes ago."""
    return Evidence(
        **{
            "read_at": NOW,
            "incident": a_spec(),
            "opened_at": ago(300),
            "workload": a_deployment(),
            "pods": pods or tuple(a_pod(f"web-2-{letter}") for letter in "abc"),
            **values,
        }
    )


def a_policy(**values):
    """The built-in policy in mode Heal, with `values` of a HealingPolicy laid over it (YAML forms are fine)."""
    return merge(BUILT_IN, ("test", PolicySpec.model_validate({"mode": "Heal", **values})))


def a_precondition(**values):
    return Precondition(**{"uid": WEB.uid, "template_hash": "hash-2", **values})


def a_memory_raise(to=96 * MI, **values):
    """Raise app from 64Mi."""
    return SetMemory(
        **{
            "target": WEB,
            "require": a_precondition(),
            "container": "app",
            "limit_from": 64 * MI,
            "limit_to": to,
            "request_from": 32 * MI,
            "request_to": 32 * MI,
            **values,
        }
    )


def a_rollback(**values):
    """Back to revision 1."""
    return RestoreTemplate(
        **{
            "target": WEB,
            "require": a_precondition(),
            "revision": RevisionRef(source="ReplicaSet", name="web-1", template_hash="hash-1"),
            "description": "revision 1 (registry.example/web:1)",
            **values,
        }
    )


def a_restart(**values):
    return Restart(**{"target": WEB, "require": a_precondition(), "stamp": "2026-03-04T11:55:00Z", **values})


def an_eviction(**values):
    """Evict one pod that waits for its next start."""
    pods = (PodRef(name="web-2-a", uid="uid-web-2-a"),)
    return EvictPods(**{"target": WEB, "require": a_precondition(), "pods": pods, **values})


def a_scaling(to=5, **values):
    """Scale web out from three replicas."""
    return Scale(**{"target": WEB, "require": a_precondition(), "replicas_from": 3, "replicas_to": to, **values})


def a_higher_maximum(to=5, **values):
    """Let the autoscaler of web ask for more than three replicas."""
    return RaiseMaxReplicas(
        **{
            "target": WEB,
            "require": Precondition(uid="uid-hpa"),
            "autoscaler": "web",
            "max_from": 3,
            "max_to": to,
            **values,
        }
    )


def an_autoscaler(**values):
    """The HorizontalPodAutoscaler of web, at its maximum of three."""
    return HorizontalPodAutoscalerView(
        **{
            "name": "web",
            "namespace": "shop",
            "uid": "uid-hpa",
            "max_replicas": 3,
            "desired_replicas": 3,
            **values,
        }
    )


def scaled_by(*autoscalers, **values):
    return Scaling(autoscalers=autoscalers or (an_autoscaler(),), **values)


def under_budget(desired_healthy, current_healthy=3):
    """A PodDisruptionBudget that wants so many healthy pods."""
    one = PodDisruptionBudgetView(name="web", desired_healthy=desired_healthy, current_healthy=current_healthy)
    return Scaling(budgets=(one,))


def a_usage(*values, container="app", cpu=True, at=None, pods=None):
    """Usage of the container in each of the pods web-2-a, -b, ...: cores, or MiB; None: not measured."""
    names = pods or [f"web-2-{letter}" for letter in "abcdefghij"]
    containers = tuple(
        ContainerUsage(
            pod=name,
            container=container,
            cpu_cores=value if cpu else None,
            memory_bytes=None if cpu else int(value * MI),
        )
        for name, value in zip(names, values, strict=False)
        if value is not None
    )
    return Usage(source="metrics-server", at=at or ago(15), containers=containers)


def a_step(action=None, **values):
    return Step(**{"action": action or a_memory_raise(), "settle": Settle(timeout=120, window=60), **values})


def an_attempt(number=1, *, action="SetMemory", to="96Mi", container="app", **values):
    """An attempt that was written, did not help and was undone."""
    parameters = {"container": container, "from": "64Mi", "to": to} if action == "SetMemory" else {"to": "revision 1"}
    return Attempt(
        **{
            "number": number,
            "action_id": f"uid-incident-{number}",
            "action": action,
            "target": str(WEB),
            "parameters": parameters,
            "started_at": ago(200),
            "written_at": ago(199),
            "finished_at": ago(100),
            "verdict": "NotHealed",
            "undone": True,
            **values,
        }
    )


def a_brief(name="other", **values):
    """Another incident of the same workload, open."""
    return IncidentSummary(
        **{"name": name, "namespace": "shop", "workload": str(WEB), "phase": Phase.DIAGNOSING, **values}
    )


def a_slot(name="other", **values):
    """The turn of another incident of the same workload."""
    return RepairSlot(**{"incident": f"uid-{name}", "name": name, "namespace": "shop", "workload": str(WEB), **values})


def a_guard_case(**values):
    """A case in which no guard holds."""
    return GuardCase(
        **{
            "now": NOW,
            "incident": INCIDENT.name,
            "workload": a_deployment(),
            "namespace_labels": {},
            "policy": a_policy(),
            "cause": Cause.POD_OOM_KILLED,
            "action": a_memory_raise(),
            **values,
        }
    )


def an_expectation(**values):
    """A repair written two minutes ago; must settle within 120 s and hold for 60 s."""
    return Expectation(
        **{
            "template_hash": "hash-2",
            "action_id": "uid-incident-1",
            "written_at": ago(110),
            "baseline": Baseline(available=2),
            "settle": Settle(timeout=120, window=60),
            **values,
        }
    )


def a_diagnosis(cause=Cause.POD_OOM_KILLED, **values):
    return Diagnosis(
        **{"cause": cause, "confidence": 0.95, "message": "Container app was OOM-killed.", "container": "app", **values}
    )


def a_report(*steps, **values):
    """A diagnosis whose plan is `steps` (one raise of memory by default), nothing held."""
    return DiagnoseReport(
        **{
            "diagnosis": a_diagnosis(),
            "plan": Plan(steps=steps or (a_step(),), next_step="If that does not help, escalate."),
            "diff": "-64Mi\n+96Mi",
            "baseline": Baseline(available=2),
            "escalation": EscalationRule(channels=("shop/pager",)),
            **values,
        }
    )


def a_question(*steps, **values):
    """A diagnosis whose plan a person must agree to, under a policy that names no channel."""
    return a_report(*steps, approval_needed=True, escalation=EscalationRule(), **values)


def a_request(**values):
    """The request that starts the incident's workflow."""
    return HealingRequest(
        **{
            "incident": INCIDENT,
            "spec": a_spec(),
            "opened_at": NOW,
            "detected_at": ago(1),
            "fault_at": ago(2),
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            **values,
        }
    )


def a_repaired(action_id="uid-incident-1", **values):
    """A raise of memory that is in force."""
    return Repaired(
        **{
            "action_id": action_id,
            "template_hash": "hash-3",
            "written_at": NOW,
            "diff": "-64Mi\n+96Mi",
            "undo": a_rollback(description="what was there before"),
            **values,
        }
    )
