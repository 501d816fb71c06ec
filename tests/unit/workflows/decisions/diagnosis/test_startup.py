"""Faults at startup: pods that were never ready or never created."""

import pytest
from builders import (
    WEB,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_revision,
    a_termination,
    a_waiting_container,
    ago,
    an_evidence,
    an_unavailable_deployment,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.startup import find_running_init, needs_events, pod_creation_error
from prunella_workflows.decisions.diagnosis.symptoms import Kind
from prunella_workflows.decisions.playbooks import bad_release
from prunella_workflows.model.evidence import EventView
from prunella_workflows.model.outcome import Diagnosis
from prunella_workflows.model.pod_demands import PodDemands
from prunella_workflows.model.scaling import Strategy

OLD = a_pod("web-1-a", revision="1")
ASKS = {
    "same": PodDemands(resources={"requests.cpu": 0.1}, placement="a"),
    "more": PodDemands(resources={"requests.cpu": 0.2, "requests.memory": 2.0}, placement="a"),
    "less": PodDemands(resources={"requests.cpu": 0.05}, placement="a"),
    "elsewhere": PodDemands(resources={"requests.cpu": 0.1}, placement="b"),
}
QUOTA = 'pods "web-2-x" is forbidden: exceeded quota: bounds, requested: limits.memory=1Gi, used: limits.memory=1Gi'
PRIVILEGED = 'pods "web-2-x" is forbidden: violates PodSecurity "restricted:latest": privileged'


def starting(age, *containers, **values):
    return a_pod("web-2-a", *containers, ready=False, ready_since=None, created_at=ago(age), **values)


def running(age, **values):
    return starting(age, a_container_status(ready=False, running_since=ago(age)), **values)


def _homeless(age):
    return starting(age, a_waiting_container(""), phase="Pending", unschedulable="0/3 nodes are available", node="")


def preparing(age):
    migrate = a_container_status("migrate", init=True, ready=False, running_since=ago(age))
    return starting(age, migrate, a_waiting_container("PodInitializing"), phase="Pending")


def prepared(age):
    """Its init container is done, and the next container is not started."""
    done = a_container_status("migrate", init=True, running_since=None, terminated=a_termination("Completed", 0))
    return starting(age, done, a_waiting_container("PodInitializing"), phase="Pending")


def creating(age):
    return starting(age, a_waiting_container("ContainerCreating"), phase="Pending")


def old(took):
    return a_pod("web-1-a", revision="1", created_at=ago(5000), ready_since=ago(5000 - took))


def told(reason, message="configmap not found", about="web-2-a", age=10):
    return EventView(about=about, reason=reason, message=message, at=ago(age))


def asking(words):
    """The history of a release that asks for something else than the good one, by a word."""
    good = a_revision(1, good_at=ago(7200), demands=ASKS["same"])
    return good, a_revision(2, current=True, demands=ASKS[words])


def kinds(*pods, events=(), workload=an_unavailable_deployment, **values):
    """The failures of an outage: fewer replicas are available than are wanted."""
    evidence = an_evidence(*pods, workload=workload(**values), events=events)
    return [failure.kind for failure in Findings(evidence).current_failures]


@pytest.mark.parametrize(
    ("pods", "values", "expected"),
    [
        pytest.param([running(119), OLD], {}, [], id="it may still be starting"),
        pytest.param([running(120), OLD], {}, [Kind.NOT_READY], id="two minutes are enough where others were quick"),
        pytest.param([running(120), old(61)], {}, [], id="others took a minute: it may take twice as long"),
        pytest.param([running(122), old(61)], {}, [Kind.NOT_READY], id="twice as long is over"),
        pytest.param([running(599), old(4000)], {}, [], id="another was ready more than once"),
        pytest.param([running(600), old(4000)], {}, [Kind.NOT_READY], id="never more than ten minutes for that"),
        pytest.param([running(299)], {}, [], id="nothing to compare it with"),
        pytest.param([running(300)], {}, [Kind.NOT_READY], id="five minutes are enough then"),
        pytest.param([running(299), OLD], {"start_budget": 300.0}, [], id="its probes grant it more"),
        pytest.param([running(1199), OLD], {"deadline": 1200.0}, [], id="its owner grants it more"),
        pytest.param([running(5), OLD], {"progress_deadline_exceeded": True}, [Kind.NOT_READY], id="the deadline"),
        pytest.param([preparing(599), OLD], {}, [], id="an init container that runs has until the deadline"),
        pytest.param([preparing(600), OLD], {}, [Kind.NOT_READY], id="but not forever"),
        pytest.param([prepared(299), OLD], {}, [], id="between two init containers it may take longer"),
        pytest.param([prepared(300), OLD], {}, [Kind.NOT_READY], id="but not until the deadline"),
        pytest.param([creating(599), OLD], {}, [], id="its image may be large"),
        pytest.param([creating(600), OLD], {}, [Kind.NOT_READY], id="no image is that large"),
    ],
)
def test_a_start_takes_its_time(pods, values, expected):
    assert kinds(*pods, **values) == expected


ROLLING = {"strategy": Strategy(max_unavailable=1, max_surge=0), "available_replicas": 2}


@pytest.mark.parametrize(
    ("pods", "values", "expected"),
    [
        pytest.param([running(599), OLD], {}, [], id="its probes never succeed, but no one misses it"),
        pytest.param([running(600), OLD], {}, [Kind.NOT_READY], id="the default deadline is over"),
        pytest.param([running(299), OLD], {"deadline": 120.0}, [Kind.NOT_READY], id="the owner's own deadline"),
        pytest.param([running(599), OLD], ROLLING, [], id="one is spared by the strategy"),
        pytest.param(
            [running(120), OLD], {**ROLLING, "available_replicas": 1}, [Kind.NOT_READY], id="more than that are missing"
        ),
        pytest.param([running(120), OLD], {"available_replicas": 0}, [Kind.NOT_READY], id="no replica serves"),
        pytest.param(
            [running(300)],
            {"available_replicas": 0, "strategy": Strategy(kind="Recreate", max_unavailable=3)},
            [Kind.NOT_READY],
            id="a Recreate spares all, so no replica serves",
        ),
        pytest.param([preparing(599), OLD], {}, [], id="an init container"),
    ],
)
def test_a_start_that_no_one_misses_has_until_the_owners_deadline(pods, values, expected):
    assert kinds(*pods, workload=a_deployment, **values) == expected


def test_what_cannot_be_mounted_is_found_at_once_while_others_serve():
    assert kinds(creating(120), OLD, events=(told("FailedMount"),), workload=a_deployment) == [Kind.CONFIG]


@pytest.mark.parametrize(
    ("container", "runs"),
    [
        pytest.param(a_container_status("m", init=True, ready=False), True, id="it runs"),
        pytest.param(a_container_status("m", init=True, ready=True), False, id="a sidecar"),
        pytest.param(
            a_container_status("m", init=True, ready=False, last=a_termination()), False, id="it failed before"
        ),
        pytest.param(a_crashing_container("m", init=True), False, id="it waits for its next try"),
    ],
)
def test_an_init_container_that_a_rollout_would_interrupt(container, runs):
    pod = starting(60, container, a_waiting_container("PodInitializing"))
    found = find_running_init(an_evidence(pod))
    assert (found and (found.pod, found.container, found.until)) == (("web-2-a", "m", ago(-540)) if runs else None)


def test_what_cannot_be_mounted_is_configuration():
    assert kinds(creating(119), OLD, events=(told("FailedMount"),)) == []
    assert kinds(creating(120), OLD, events=(told("FailedMount"),)) == [Kind.CONFIG]
    assert kinds(creating(120), OLD, events=(told("FailedMount", about="web-1-a"),)) == []
    assert kinds(creating(120), OLD, events=(told("BackOff"),)) == []


@pytest.mark.parametrize(
    ("since", "expected"), [(None, ""), (ago(59), ""), (ago(60), QUOTA)], ids=["never", "a moment", "a minute"]
)
def test_a_deployment_says_itself_why_pods_cannot_be_made(since, expected):
    workload = a_deployment(create_failure=QUOTA, create_failed_since=since)
    assert pod_creation_error(an_evidence(workload=workload)) == expected


@pytest.mark.parametrize(
    ("have", "event", "expected"),
    [
        pytest.param(2, told("FailedCreate", QUOTA, "web"), QUOTA, id="one is missing"),
        pytest.param(3, told("FailedCreate", QUOTA, "web"), "", id="all are there by now"),
        pytest.param(2, told("FailedCreate", QUOTA, "web", age=700), "", id="that was long ago"),
        pytest.param(2, told("FailedCreate", QUOTA, "other"), "", id="another one's"),
    ],
)
def test_of_other_kinds_events_tell(have, event, expected):
    workload = a_deployment(ref=WEB.model_copy(update={"kind": "StatefulSet"}), total_replicas=have)
    assert pod_creation_error(an_evidence(workload=workload, events=(event,))) == expected


@pytest.mark.parametrize(
    ("pod", "counts"),
    [
        pytest.param(running(39), False, id="its probes grant it more time than its deadline does"),
        pytest.param(running(41), True, id="that time is over as well"),
        pytest.param(
            starting(90, a_container_status(ready=False, running_since=ago(30))), False, id="its image took a minute"
        ),
        pytest.param(creating(119), False, id="a busy kubelet may not have reported yet what keeps it"),
        pytest.param(creating(120), True, id="no container was made, and nothing says why"),
        pytest.param(running(39, unready_since=ago(5)), True, id="it was ready before"),
        pytest.param(running(5, phase="Pending", unschedulable="no node"), True, id="no probe waits for a node"),
    ],
)
def test_past_its_deadline_a_pod_still_gets_what_its_probes_grant(pod, counts):
    workload = an_unavailable_deployment(progress_deadline_exceeded=True, start_budget=40.0)
    assert bool(Findings(an_evidence(pod, workload=workload)).failures) is counts


@pytest.mark.parametrize(
    ("words", "asks", "blamed"),
    [
        pytest.param(PRIVILEGED, "same", True, id="a pod that is not allowed"),
        pytest.param(QUOTA, "more", True, id="a quota, and the release asks for more"),
        pytest.param(QUOTA, "less", False, id="a quota, and the release asks for less"),
        pytest.param(QUOTA, "same", False, id="a quota that others have spent"),
    ],
)
def test_a_release_is_blamed_for_what_it_asks(words, asks, blamed):
    workload = an_unavailable_deployment(create_failure=words, create_failed_since=ago(90))
    answer = bad_release.diagnose(Findings(an_evidence(OLD, workload=workload, revisions=asking(asks))))
    assert isinstance(answer, Diagnosis) is blamed


@pytest.mark.parametrize(
    ("words", "asks", "blamed"),
    [
        pytest.param("1 Insufficient cpu. preemption: 0/1", "same", False, id="nodes that others have filled"),
        pytest.param("1 Insufficient cpu. preemption: 0/1", "more", True, id="full nodes, and it asks for more"),
        pytest.param(
            "2 Insufficient memory, 1 node(s) had untolerated taint {control-plane: }",
            "same",
            False,
            id="a taint as well",
        ),
        pytest.param("1 node(s) didn't match Pod's node affinity/selector", "same", False, id="a label is gone"),
        pytest.param("1 node(s) didn't match Pod's node affinity/selector", "elsewhere", True, id="no such node"),
        pytest.param("3 Insufficient memory, 7 node(s) didn't match Pod's", "same", False, id="a full pool of nodes"),
        pytest.param("3 Insufficient memory, 7 node(s) didn't match Pod's", "less", False, id="it asks for less"),
        pytest.param("3 Insufficient memory, 7 node(s) didn't match Pod's", "more", True, id="it asks for more of it"),
        pytest.param("3 Insufficient memory, 7 node(s) didn't match Pod's", "elsewhere", True, id="a choice of nodes"),
    ],
)
def test_a_release_is_not_blamed_for_nodes_that_are_full(words, asks, blamed):
    pod = starting(150, phase="Pending", unschedulable=f"0/3 nodes are available: {words}", node="")
    evidence = an_evidence(OLD, pod, workload=an_unavailable_deployment(), revisions=asking(asks))
    assert isinstance(bad_release.diagnose(Findings(evidence)), Diagnosis) is blamed


@pytest.mark.parametrize(
    ("events", "counts"),
    [
        pytest.param((), True, id="no word of an autoscaler"),
        pytest.param(({"reason": "TriggeredScaleUp"},), False, id="the cluster autoscaler gets a node"),
        pytest.param(({"reason": "Nominated"},), False, id="Karpenter gets one"),
        pytest.param(({"reason": "TriggeredScaleUp", "at": ago(601)},), True, id="it has not come in ten minutes"),
        pytest.param(({"reason": "TriggeredScaleUp", "about": "web-2-b"},), True, id="one for another pod"),
        pytest.param(({"reason": "NotTriggerScaleUp"},), True, id="no node would help"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_node_that_is_on_its_way_is_waited_for(events, counts, late):
    told = [EventView(**{"about": "web-2-a", "at": ago(130), **event}) for event in events]
    workload = an_unavailable_deployment(progress_deadline_exceeded=late)
    evidence = an_evidence(_homeless(150), workload=workload, events=told)
    assert bool(Findings(evidence).failures) is counts


def test_events_are_read_of_pods_that_the_deadline_makes_suspect():
    workload = an_unavailable_deployment(progress_deadline_exceeded=True, total_replicas=3)
    assert needs_events(an_evidence(creating(20), OLD, workload=workload))
    event = told("FailedCreatePodSandBox", 'no runtime for "not-installed" is configured')
    assert kinds(creating(20), OLD, events=[event], progress_deadline_exceeded=True) == [Kind.CONFIG]
    assert kinds(creating(20), OLD, progress_deadline_exceeded=True) == []


@pytest.mark.parametrize(
    ("pods", "have", "expected"),
    [
        ([OLD], 3, False),
        ([OLD], 2, True),
        ([creating(121)], 3, True),
        ([creating(119)], 3, False),
        ([running(500)], 3, False),
        ([_homeless(121)], 3, True),
        ([_homeless(119)], 3, False),
    ],
)
def test_events_are_read_only_where_nothing_else_tells(pods, have, expected):
    assert needs_events(an_evidence(*pods, workload=a_deployment(total_replicas=have))) is expected
