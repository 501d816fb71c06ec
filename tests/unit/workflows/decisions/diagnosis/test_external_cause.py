"""Correlation: what is caused elsewhere is waited for, what is one's own never is, and no two wait for each other."""

import pytest
from builders import (
    NOW,
    WEB,
    a_brief,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_guard_case,
    a_pod,
    a_policy,
    a_restarted_container,
    a_termination,
    a_waiting_container,
    ago,
    an_evidence,
    an_oom_kill,
    an_unavailable_deployment,
    the_history,
)

from prunella_workflows.decisions.diagnosis.external_cause import CauseKind, ExternalCause, parse_missing_objects
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.guards.external_cause import (
    check_dependency,
    check_node,
    check_pending_report,
    check_shared_cause,
)
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.model.evidence import EventView
from prunella_workflows.model.incident_status import CausedBy, Phase
from prunella_workflows.model.neighbours import AffectedWorkload, DependencyView, NodeView
from prunella_workflows.model.outcome import Cause, Effect
from prunella_workflows.model.signal import OwnerRef

OURS = "web-oom"
LEDGER = WEB.model_copy(update={"name": "ledger", "uid": "uid-ledger"})
CRASHING = a_pod("web-2-a", a_crashing_container())
NO_SECRET = a_waiting_container("CreateContainerConfigError", message='secret "token" not found')


def a_dependency(**values):
    """Deployment ledger, two replicas wanted and none available; our pods' log names it."""
    known = {"ref": LEDGER, "known_by": "the log of container app names Service ledger", "service": "ledger"}
    return DependencyView(**{**known, "wanted": 2, "available": 0, **values})


def of_ledger(name="ledger-1", **values):
    return a_brief(**{"name": name, "workload": "Deployment/ledger", "opened_at": ago(200), **values})


def evidence_of(*pods, **values):
    return an_evidence(
        *(pods or (CRASHING,)),
        **{
            "workload": an_unavailable_deployment(),
            "revisions": the_history(),
            "dependencies": (a_dependency(),),
            "incident_name": OURS,
            **values,
        },
    )


# A dependency


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({}, "Deployment/ledger has 0 of 2 replicas available", id="none of its pods serves"),
        pytest.param({"wanted": 0}, "Deployment/ledger is scaled to 0", id="scaled to zero"),
        pytest.param(
            {"service": "", "known_by": "by its annotation prunella.dev/depends-on"},
            "by its annotation",
            id="its owner says that it is needed",
        ),
        pytest.param(
            {"available": 1, "failing": "pod ledger-b: Error"},
            "1 of 2 replicas available (pod ledger-b: Error)",
            id="a part of it fails, and our pods speak of it",
        ),
    ],
)
def test_a_dependency_that_is_down_is_the_cause(values, words):
    diagnosis, plan = decide(Findings(evidence_of(dependencies=(a_dependency(**values),))), a_policy())
    assert (diagnosis.cause, plan.steps, plan.reason) == (Cause.DEPENDENCY_DOWN, (), "DependencyDown")
    assert words in plan.message
    assert "Deployment/ledger" in plan.next_step


@pytest.mark.parametrize(
    "dependencies",
    [
        pytest.param((), id="none is known"),
        pytest.param((a_dependency(available=2, serving_since=ago(3600)),), id="it serves"),
        pytest.param(
            (a_dependency(available=1, failing="pod ledger-b: Error", service=""),),
            id="a part of it fails, and only an annotation names it",
        ),
        pytest.param((a_dependency(available=1),), id="it is being scaled, and nothing of it fails"),
        pytest.param(
            (a_dependency(), a_dependency(ref=LEDGER.model_copy(update={"name": "ledger-2"}), wanted=1, available=1)),
            id="another workload stands behind the same Service",
        ),
    ],
)
def test_a_dependency_that_serves_excuses_nothing(dependencies):
    diagnosis, plan = decide(Findings(evidence_of(dependencies=dependencies)), a_policy())
    assert diagnosis.cause is Cause.BAD_RELEASE
    assert plan.steps


@pytest.mark.parametrize(
    ("pod", "cause"),
    [
        pytest.param(a_pod("web-2-b", a_crashing_container(last=an_oom_kill())), Cause.POD_OOM_KILLED, id="memory"),
        pytest.param(a_pod("web-2-b", a_waiting_container("ErrImagePull")), Cause.BAD_RELEASE, id="an image"),
        pytest.param(a_pod("web-2-b", NO_SECRET), Cause.BAD_RELEASE, id="configuration"),
        pytest.param(
            a_pod("web-2-b", ready=False, phase="Pending", unschedulable="no node", created_at=ago(600)),
            Cause.BAD_RELEASE,
            id="no node",
        ),
    ],
)
def test_a_fault_of_ones_own_is_never_hidden_by_a_dependency(pod, cause):
    assert decide(Findings(evidence_of(CRASHING, pod)), a_policy())[0].cause is cause


@pytest.mark.parametrize(
    ("pods", "since", "waits"),
    [
        pytest.param((a_pod("web-2-a", a_crashing_container()),), 10, True, id="our pod has not tried again since"),
        pytest.param(
            (a_pod("web-2-a", a_restarted_container()),), 10, True, id="it runs again, and may well be healthy"
        ),
        pytest.param((a_pod("web-2-a", a_crashing_container()),), 120, False, id="our pod has crashed since"),
        pytest.param(
            (a_pod("web-2-a", a_crashing_container()), a_pod("web-2-b", a_crashing_container(last=a_termination()))),
            10,
            True,
            id="none of our pods has",
        ),
        pytest.param(
            (
                a_pod("web-2-a", a_crashing_container()),
                a_pod("web-2-b", a_crashing_container(last=a_termination(finished_at=ago(2)))),
            ),
            10,
            False,
            id="one of our pods has",
        ),
        pytest.param(
            (a_pod("web-2-a", a_crashing_container(last=a_termination(finished_at=ago(900)))),),
            400,
            False,
            id="the kubelet's longest back-off is over",
        ),
        pytest.param(
            (a_pod("web-2-a", a_container_status(ready=False), unready_since=ago(100)),),
            20,
            True,
            id="it is asked for its readiness in a moment",
        ),
        pytest.param(
            (a_pod("web-2-a", a_container_status(ready=False), unready_since=ago(100)),),
            90,
            False,
            id="it was asked for its readiness again",
        ),
    ],
)
def test_a_dependency_that_has_just_come_back_gives_us_another_try(pods, since, waits):
    back = a_dependency(available=2, serving_since=ago(since))
    found = decide(Findings(evidence_of(*pods, dependencies=(back,))), a_policy())[0]
    assert (found.cause is Cause.DEPENDENCY_DOWN) is waits
    assert ("is available again" in found.message) is waits


@pytest.mark.parametrize(
    ("values", "incidents", "max_wait"),
    [
        pytest.param({}, (), 120, id="no incident about it"),
        pytest.param({"wanted": 0}, (of_ledger(),), 120, id="it is not meant to run"),
        pytest.param({}, (of_ledger(),), 1800, id="its incident is open"),
        pytest.param({}, (of_ledger(phase=Phase.ESCALATED, closed_at=ago(5)),), 0, id="people have its incident"),
        pytest.param({}, (of_ledger(phase=Phase.FAILED, closed_at=ago(5)),), 0, id="its incident came to nothing"),
        pytest.param(
            {}, (of_ledger(phase=Phase.ESCALATED, closed_at=ago(86400)),), 120, id="what people have is an old story"
        ),
        pytest.param({}, (of_ledger(phase=Phase.HEALED, closed_at=ago(5)),), 120, id="its incident is over"),
        pytest.param(
            {},
            (of_ledger(phase=Phase.ESCALATED, closed_at=ago(5)), of_ledger("ledger-2", opened_at=ago(3))),
            1800,
            id="another incident of it is open",
        ),
        pytest.param({}, (of_ledger(namespace="other"),), 120, id="a namesake elsewhere"),
    ],
)
def test_how_long_it_is_waited_for(values, incidents, max_wait):
    evidence = evidence_of(dependencies=(a_dependency(**values),), incidents=incidents)
    assert Findings(evidence).dependency.max_wait == max_wait


def test_the_incident_of_the_dependency_is_named():
    found = Findings(evidence_of(incidents=(of_ledger(),))).dependency
    assert found.note == CausedBy(incident="ledger-1", target="Deployment/ledger", message=found.message)
    assert "incident ledger-1 is about it" in found.message
    assert found.next_step == "See incident ledger-1 of Deployment/ledger."


def test_the_incident_that_brought_it_back_is_named_too():
    back = a_dependency(available=2, serving_since=ago(10))
    old = of_ledger("ledger-0", phase=Phase.HEALED, opened_at=ago(90_000), closed_at=ago(86_400))
    healed = of_ledger(phase=Phase.HEALED, closed_at=ago(10))
    found = Findings(evidence_of(dependencies=(back,), incidents=(old, healed))).dependency
    assert found.note.incident == "ledger-1"
    assert Findings(evidence_of(dependencies=(back,), incidents=(old,))).dependency.note.incident == ""


# Circles


def waits_for(brief, incident):
    return brief.model_copy(update={"caused_by": CausedBy(incident=incident, target="Deployment/x")})


CIRCLES = [
    pytest.param([waits_for(of_ledger(opened_at=ago(100)), OURS)], True, id="ours is older"),
    pytest.param([waits_for(of_ledger(opened_at=ago(900)), OURS)], False, id="theirs is older"),
    pytest.param([waits_for(of_ledger("a", opened_at=ago(300)), OURS)], False, id="same age: by name"),
    pytest.param([waits_for(of_ledger("z", opened_at=ago(300)), OURS)], True, id="same age: by name, ours first"),
    pytest.param([of_ledger()], False, id="they do not wait for us"),
    pytest.param(
        [waits_for(of_ledger(), "db-1"), waits_for(a_brief("db-1", workload="x", opened_at=ago(10)), OURS)],
        True,
        id="a circle of three, ours is the oldest",
    ),
    pytest.param(
        [waits_for(of_ledger(), "db-1"), waits_for(a_brief("db-1", workload="x", opened_at=ago(900)), OURS)],
        False,
        id="a circle of three, another is older",
    ),
    pytest.param(
        [waits_for(of_ledger(), "db-1"), waits_for(a_brief("db-1", workload="x"), "ledger-1")],
        False,
        id="a circle without us",
    ),
    pytest.param([waits_for(of_ledger(), "gone")], False, id="they wait for what is over"),
]


@pytest.mark.parametrize(("incidents", "goes"), CIRCLES)
def test_of_those_that_wait_for_each_other_the_oldest_goes_first(incidents, goes):
    found = decide(Findings(evidence_of(incidents=tuple(incidents))), a_policy())[0]
    assert found.cause is (Cause.BAD_RELEASE if goes else Cause.DEPENDENCY_DOWN)


# The same thing missing


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('secret "token" not found', {"Secret/token"}),
        ('configmap "settings" not found', {"ConfigMap/settings"}),
        (
            '0/1 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/1 nodes',
            {"PersistentVolumeClaim/data"},
        ),
        ('MountVolume.SetUp failed for volume "v" : secret "tls" not found', {"Secret/tls"}),
        ("couldn't find key TOKEN in Secret shop/token", {"Secret/token (key TOKEN)"}),
        ("couldn't find key A in ConfigMap shop/settings", {"ConfigMap/settings (key A)"}),
        ("the secret of success was not found", set()),
        ("", set()),
    ],
)
def test_what_is_missing_is_read_from_the_words_of_the_kubelet(text, found):
    assert parse_missing_objects(text) == found


def lacking(**values):
    return evidence_of(
        a_pod("web-2-a", NO_SECRET),
        **{
            "dependencies": (),
            "affected_workloads": (AffectedWorkload(workload="Deployment/cart", missing="Secret/token"),),
            "revisions": the_history(good_at=ago(3600)),
            **values,
        },
    )


def of_cart(**values):
    return a_brief(**{"name": "cart-1", "workload": "Deployment/cart", "opened_at": ago(400), **values})


def test_the_later_incident_of_one_cause_points_at_the_first():
    evidence = lacking(incidents=(of_cart(),))
    diagnosis, plan = decide(Findings(evidence), a_policy())
    found = Findings(evidence).external_cause(diagnosis.cause)
    assert (diagnosis.cause, plan.reason, plan.steps) == (Cause.CONFIG_MISSING, "SharedCause", ())
    assert (found.kind, found.target, found.incident, found.max_wait) == (
        CauseKind.SHARED,
        "Secret/token",
        "cart-1",
        1800,
    )
    assert "cart-1" in plan.next_step


@pytest.mark.parametrize(
    ("values", "max_wait"),
    [
        pytest.param({"incidents": (of_cart(phase=Phase.ESCALATED, closed_at=ago(9)),)}, 0, id="people have the first"),
        pytest.param({"incidents": (of_cart(opened_at=ago(100)),)}, None, id="ours is the first"),
        pytest.param({"incidents": ()}, None, id="the other one has no incident"),
        pytest.param({"incidents": (of_cart(phase=Phase.HEALED),)}, None, id="the other one's is over"),
        pytest.param(
            {
                "affected_workloads": (AffectedWorkload(workload="Deployment/cart", missing="Secret/other"),),
                "incidents": (of_cart(),),
            },
            None,
            id="the other one lacks another thing",
        ),
        pytest.param({"affected_workloads": (), "incidents": (of_cart(),)}, None, id="the other one lacks nothing"),
    ],
)
def test_who_waits_for_whom(values, max_wait):
    found = Findings(lacking(**values)).shared_cause
    assert (found.max_wait if found else None) == max_wait


def test_a_volume_that_is_missing_counts_too():
    event = EventView(about="web-2-a", reason="FailedMount", message='secret "token" not found', at=NOW)
    pod = a_pod("web-2-a", a_waiting_container("ContainerCreating"), phase="Pending", created_at=ago(900))
    evidence = lacking(pods=(pod,), events=(event,), incidents=(of_cart(),))
    assert Findings(evidence).missing_objects == {"Secret/token"}


def test_a_rollback_that_might_help_waits_too():
    diagnosis, plan = decide(Findings(lacking(incidents=(of_cart(),), revisions=the_history())), a_policy())
    assert (diagnosis.cause, plan.steps, plan.reason) == (Cause.BAD_RELEASE, (), "SharedCause")


# Nodes


LOST = NodeView(name="node-a", ready=False, message="NodeStatusUnknown since 12:00")
AWAY = a_pod("web-2-a", ready=False, ready_since=None, node_lost=True)
STARTS = a_pod("web-2-a", ready=False, ready_since=None)


@pytest.mark.parametrize(
    ("pods", "nodes", "lost"),
    [
        pytest.param((AWAY,), (LOST,), True, id="its only pod is on it"),
        pytest.param((AWAY, a_pod("web-2-b", node="node-b")), (LOST,), True, id="another pod is well elsewhere"),
        pytest.param((STARTS,), (LOST,), True, id="its only pod was starting on it"),
        pytest.param((STARTS,), (NodeView(name="node-a"),), False, id="the node is heard of"),
        pytest.param((STARTS,), (), False, id="nothing is known of the node"),
        pytest.param(
            (AWAY, a_pod("web-2-b", a_crashing_container(), node="node-b")), (LOST,), False, id="a pod fails elsewhere"
        ),
        pytest.param((a_pod("web-2-a", a_crashing_container()),), (LOST,), True, id="it crashed before"),
    ],
)
def test_a_lost_node_is_the_cause_of_what_only_its_pods_show(pods, nodes, lost):
    diagnosis, plan = decide(Findings(evidence_of(*pods, nodes=nodes, dependencies=())), a_policy())
    assert (diagnosis.cause is Cause.NODE_LOST) is lost
    if lost:
        assert (plan.steps, plan.reason) == ((), "NodeLost")
        assert "Node/node-a is lost (NodeStatusUnknown since 12:00); 1 pod(s) were on it." in plan.message


@pytest.mark.parametrize("nodes", [(), (NodeView(name="node-a"),)])
def test_a_node_that_we_may_not_read_or_that_is_just_back_is_given_time_too(nodes):
    found = Findings(evidence_of(AWAY, nodes=nodes, dependencies=())).lost_node
    assert found.message == "Node/node-a is lost; 1 pod(s) were on it."


@pytest.mark.parametrize(
    ("other", "incident"),
    [
        pytest.param({"opened_at": ago(900)}, "cart-1", id="an older one"),
        pytest.param({"opened_at": ago(9)}, "", id="a younger one"),
        pytest.param({"opened_at": ago(900), "phase": Phase.ESCALATED}, "", id="one that is over"),
        pytest.param({"opened_at": ago(900), "caused_by": None}, "", id="one about something else"),
    ],
)
def test_the_first_incident_of_a_lost_node_is_named(other, incident):
    brief = of_cart(**{"caused_by": CausedBy(target="Node/node-a"), **other})
    found = Findings(evidence_of(AWAY, nodes=(LOST,), incidents=(brief,))).lost_node
    assert found.incident == incident


# Guards


def a_cause(kind=CauseKind.DEPENDENCY, **values):
    known = {"kind": kind, "target": "Deployment/ledger", "message": "It is down.", "next_step": "Bring it back."}
    return ExternalCause(**{**known, "max_wait": 120, **values})


@pytest.mark.parametrize(
    ("guard", "kind", "reason"),
    [
        (check_node, CauseKind.NODE, "NodeLost"),
        (check_dependency, CauseKind.DEPENDENCY, "DependencyDown"),
        (check_shared_cause, CauseKind.SHARED, "SharedCause"),
    ],
)
def test_each_kind_is_waited_for_by_its_guard_and_for_a_limited_time(guard, kind, reason):
    for other in CauseKind:
        block = guard(a_guard_case(external_cause=a_cause(other)))
        assert (block and (block.effect, block.reason)) == ((Effect.WAIT, reason) if other is kind else None)
    early = guard(a_guard_case(external_cause=a_cause(kind), waiting_since=ago(119)))
    late = guard(a_guard_case(external_cause=a_cause(kind), waiting_since=ago(120)))
    never = guard(a_guard_case(external_cause=a_cause(kind, max_wait=0)))
    assert (bool(early), late, never) == (True, None, None)


def test_what_the_kubelet_has_not_said_yet_is_waited_for():
    assert check_pending_report(a_guard_case(pending="Pod web-2-a is not ready.")).reason == "AwaitingKubeletEvents"
    assert check_pending_report(a_guard_case()) is None


# Kinds that are only reported


@pytest.mark.parametrize("kind", ["Pod", "Job", "CronJob", "ReplicaSet"])
@pytest.mark.parametrize("pod", [CRASHING, a_pod("web-2-a", a_crashing_container(last=an_oom_kill())), a_pod()])
def test_what_is_only_reported_has_no_plan_whatever_is_wrong(kind, pod):
    workload = a_deployment(ref=WEB.model_copy(update={"kind": kind}))
    _, plan = decide(Findings(evidence_of(pod, workload=workload, dependencies=())), a_policy())
    assert (plan.steps, plan.reason) == ((), "ReportOnly")
    assert f"A {kind} is only reported" in plan.message


def test_the_custom_resource_behind_it_is_named():
    rollout = OwnerRef(api_version="argoproj.io/v1alpha1", kind="Rollout", name="web", uid="u")
    workload = a_deployment(ref=WEB.model_copy(update={"kind": "ReplicaSet"}), custom_owners=(rollout,))
    _, plan = decide(Findings(evidence_of(CRASHING, workload=workload, dependencies=())), a_policy())
    assert plan.message.endswith("ReplicaSet/web belongs to Rollout/web (argoproj.io/v1alpha1).")


def test_what_would_be_done_is_offered():
    killed = a_pod("web-2-a", a_crashing_container(last=an_oom_kill()))
    workload = a_deployment(ref=WEB.model_copy(update={"kind": "Job"}))
    _, plan = decide(Findings(evidence_of(killed, workload=workload)), a_policy())
    assert plan.next_step == "If you agree: set the memory limit of container app from 64Mi to 128Mi."
