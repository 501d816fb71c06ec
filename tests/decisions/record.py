"""Record the decisions of this folder: `python tests/decisions/record.py [NAME...]`.

Each is what `prunella incidents export` writes: facts, and the decision that was made from them. Without names only
scenes without a file are recorded. After an intended change of decisions: `make replay-decisions REPLAY_ARGS=--update`.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # as pytest does

from builders import (  # noqa: E402
    INCIDENT,
    MI,
    NOW,
    WEB,
    a_brief,
    a_container,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_revision,
    a_service,
    a_spec,
    a_telemetry,
    a_usage,
    a_waiting_container,
    ago,
    an_anomaly,
    an_attempt,
    an_evidence,
    an_oom_kill,
    an_unavailable_deployment,
    scaled_by,
    the_history,
)

from prunella_operator.activities.decision import decide  # noqa: E402
from prunella_operator.reporting.recorded_incident import RecordedDiagnosis, RecordedIncident  # noqa: E402
from prunella_workflows.contracts.healing import DiagnoseRequest  # noqa: E402
from prunella_workflows.model.evidence import EventView, LogTail  # noqa: E402
from prunella_workflows.model.facts import Facts  # noqa: E402
from prunella_workflows.model.incident import IncidentType  # noqa: E402
from prunella_workflows.model.incident_status import Phase  # noqa: E402
from prunella_workflows.model.neighbours import DependencyView, NodeView  # noqa: E402
from prunella_workflows.model.policy import HealingPolicySpec, PolicyLayer  # noqa: E402
from prunella_workflows.model.repair_slot import RepairSlot, RepairSlots  # noqa: E402
from prunella_workflows.model.telemetry import Split, SplitKind  # noqa: E402
from prunella_workflows.model.workload import WorkloadRef  # noqa: E402

KILLED = a_pod("web-2-a", a_crashing_container(last=an_oom_kill()))
CRASHING = a_pod("web-2-a", a_crashing_container())
OLD = a_pod("web-1-a", revision="1")
HANGING = a_pod("web-2-a", a_container_status(ready=False), unready_since=ago(60))
TIMED_OUT = "Readiness probe failed: Get http://10.0.0.1:8080/: context deadline exceeded (Client.Timeout exceeded)"
NO_SECRET = a_waiting_container("CreateContainerConfigError", message='secret "token" not found')
NO_IMAGE = a_waiting_container("ImagePullBackOff", message='Back-off pulling image "registry.example/web:2"')
LEDGER = DependencyView(
    ref=WorkloadRef(kind="Deployment", namespace="shop", name="ledger"), known_by="its annotation", failing="crashes"
)
OOM_KILLED = an_evidence(KILLED, revisions=the_history())
BAD_RELEASE = an_evidence(CRASHING, OLD, revisions=the_history(), workload=an_unavailable_deployment())
HOT = an_evidence(
    incident=a_spec(type=IncidentType.HIGH_CPU),
    workload=a_deployment(a_container(cpu_request=0.5, cpu_limit=1.0)),
    usage=a_usage(0.9, 0.9, 0.9),
)
SERVES_BADLY = an_evidence(
    *(a_pod(f"web-2-{letter}", created_at=ago(115), ready_since=ago(110)) for letter in "abc"),
    revisions=the_history(created_at=ago(120)),
    telemetry=a_telemetry(an_anomaly()),
)
BUSY = RepairSlots(
    own_uid=INCIDENT.uid,
    running=tuple(
        RepairSlot(incident=f"uid-{number}", namespace="shop", workload=f"Deployment/{number}") for number in range(5)
    ),
)


def a_layer(**values):
    """The namespace's policy: Heal, and what a scene wants."""
    spec = HealingPolicySpec.model_validate({"mode": "Heal", **values})
    return PolicyLayer(source="HealingPolicy/shop", rank=1, spec=spec)


def facts(evidence, policy=None, **values):
    return Facts(evidence=evidence, policies=(a_layer() if policy is None else policy,), **values)


def changed(one, **values):
    return one.model_copy(update=values)


SCENES = {
    "oom-kill": facts(OOM_KILLED),
    "oom-kill-again": facts(OOM_KILLED),
    "oom-kill-at-the-maximum": facts(OOM_KILLED, a_layer(limits={"memoryMax": "64Mi"})),
    "oom-kill-in-observe": facts(OOM_KILLED, a_layer(mode="Observe")),
    "oom-kill-that-needs-approval": facts(OOM_KILLED, a_layer(approval={"when": "Always"})),
    "oom-kill-in-place": facts(OOM_KILLED, a_layer(limits={"resize": "InPlace"})),
    "oom-kill-over-budget": facts(OOM_KILLED, slots=BUSY),
    "oom-kill-outside-of-the-window": facts(
        OOM_KILLED, a_layer(maintenanceWindows=[{"start": "22:00", "end": "06:00"}])
    ),
    "oom-kill-in-a-protected-namespace": facts(OOM_KILLED, protected_namespaces=("shop",)),
    "oom-kill-in-an-unhealthy-namespace": facts(
        OOM_KILLED, a_layer(budgets={"minimumHealthyPercent": 50}), healthy_percent=20.0
    ),
    "oom-kill-of-a-managed-workload": facts(
        changed(OOM_KILLED, workload=a_deployment(labels={"app.kubernetes.io/managed-by": "Helm"}))
    ),
    "bad-release": facts(BAD_RELEASE),
    "bad-release-while-frozen": facts(BAD_RELEASE, a_layer(rollback="Freeze")),
    "bad-release-without-an-image": facts(changed(BAD_RELEASE, pods=(a_pod("web-2-a", NO_IMAGE), OLD))),
    "release-that-serves-badly": facts(SERVES_BADLY),
    "release-that-serves-badly-by-its-database": facts(
        changed(
            SERVES_BADLY,
            telemetry=a_telemetry(
                an_anomaly(origin=a_service("db", kind="StatefulSet"), split=Split(kind=SplitKind.ALL))
            ),
        )
    ),
    "first-release": facts(an_evidence(CRASHING, revisions=(a_revision(1, current=True),))),
    "innocent-release": facts(an_evidence(CRASHING, revisions=the_history(good_at=ago(60)))),
    "missing-secret": facts(an_evidence(a_pod("web-2-a", NO_SECRET), revisions=the_history(good_at=ago(60)))),
    "lost-node": facts(
        an_evidence(
            a_pod("web-2-a", ready=False, unready_since=ago(120), node_lost=True),
            nodes=(NodeView(name="node-a", ready=False, message="Kubelet stopped posting node status."),),
        )
    ),
    "dependency-down": facts(an_evidence(CRASHING, dependencies=(LEDGER,))),
    "dependency-back": facts(
        an_evidence(
            a_pod("web-2-a", a_crashing_container(restarts=6)),
            a_pod("web-2-b"),
            dependencies=(changed(LEDGER, available=1, serving_since=ago(30), failing=""),),
        )
    ),
    "hanging-process": facts(
        an_evidence(
            HANGING,
            a_pod("web-2-b"),
            workload=an_unavailable_deployment(),
            revisions=the_history(good_at=ago(3600)),
            events=(EventView(about="web-2-a", reason="Unhealthy", message=TIMED_OUT, at=NOW),),
        )
    ),
    "high-cpu": facts(HOT),
    "high-cpu-with-an-autoscaler": facts(changed(HOT, scaling=scaled_by()), a_layer(actions=["RaiseMaxReplicas"])),
    "high-memory": facts(
        an_evidence(incident=a_spec(type=IncidentType.HIGH_MEMORY), usage=a_usage(40, 60, 40, cpu=False))
    ),
    "crash-with-last-words": facts(
        an_evidence(
            CRASHING,
            revisions=the_history(good_at=ago(60)),
            logs=(LogTail(pod="web-2-a", container="app", lines=("panic: DATABASE_URL is not set",)),),
        )
    ),
    "relapse-after-a-raise": facts(
        changed(
            OOM_KILLED,
            workload=a_deployment(
                a_container(memory_limit=128 * MI),
                last_action="uid-incident-1",
                annotations={"prunella.dev/before": "web-prunella-hash1", "prunella.dev/after": "hash-2"},
            ),
            incidents=(
                a_brief(
                    "web-oom-0",
                    phase=Phase.HEALED,
                    closed_at=ago(600),
                    repaired_at=ago(700),
                    root_cause="pod_oom_killed",
                    attempts=(an_attempt(1, to="128Mi", verdict="Healed", undone=False),),
                ),
            ),
        )
    ),
    "all-is-well": facts(an_evidence()),
}
TRIED = {"oom-kill-again": an_attempt(1, to="128Mi")}
"""The first repair of a scene, as its second diagnosis knows it."""


def a_diagnosis(incident, known, tried):
    request = DiagnoseRequest(incident=incident, spec=a_spec(), opened_at=ago(300), target=WEB, tried=tried)
    known = changed(known, evidence=changed(known.evidence, incident_name=incident.name))
    return RecordedDiagnosis(at=NOW, request=request, facts=known, report=decide(request, known))


def record(name):
    """The recorded incident of a scene."""
    incident, found = INCIDENT.model_copy(update={"name": name}), SCENES[name]
    diagnoses = [a_diagnosis(incident, found, ())]
    if name in TRIED:
        diagnoses.append(a_diagnosis(incident, found, (TRIED[name],)))
    return RecordedIncident(incident=incident, opened_at=ago(300), diagnoses=tuple(diagnoses))


def main(names):
    for name in names or [name for name in SCENES if not (HERE / f"{name}.json").exists()]:
        (HERE / f"{name}.json").write_text(record(name).to_json(), encoding="utf-8")
        print(f"recorded {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
