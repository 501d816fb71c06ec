"""Symptoms: faults of pods, and the pitfalls of how Kubernetes reports them."""

import pytest
from builders import (
    WEB,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_restarted_container,
    a_termination,
    a_waiting_container,
    ago,
    an_evidence,
    an_oom_kill,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind, find_symptoms
from prunella_workflows.model.workload import ContainerStatusView

_ABORTED = a_termination("StartError", 128, message="failed to create containerd task: context canceled")


def _seen(*pods):
    return [(symptom.kind, symptom.container, symptom.active) for symptom in find_symptoms(pods)]


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(a_pod(), [], id="a healthy pod has none"),
        pytest.param(
            a_pod("p", a_crashing_container(), deleting=True, phase="Failed"),
            [],
            id="a pod being deleted looks like a crash",
        ),
        pytest.param(
            a_pod(
                "p",
                a_container_status(ready=False, running_since=None, terminated=a_termination(exit_code=137)),
                phase="Failed",
            ),
            [],
            id="the remains of an evicted pod are no crash",
        ),
        pytest.param(
            a_pod(
                "p",
                a_container_status(ready=False, running_since=None, terminated=a_termination(exit_code=0)),
                phase="Succeeded",
            ),
            [],
            id="a pod that is done is no crash",
        ),
        pytest.param(
            a_pod("p", a_crashing_container(last=a_termination(exit_code=137))),
            [(Kind.CRASH, "app", True)],
            id="137 without OOMKilled is a crash, such as a liveness kill",
        ),
        pytest.param(
            a_pod("p", a_crashing_container(last=an_oom_kill())), [(Kind.OOM, "app", True)], id="OOMKilled with 137"
        ),
        pytest.param(
            a_pod("p", a_crashing_container(terminated=_ABORTED, last=an_oom_kill())),
            [(Kind.OOM, "app", True)],
            id="a start that the kubelet's end aborted does not hide the OOM kill before it",
        ),
        pytest.param(
            a_pod("p", a_restarted_container(ready=False, running_since=ago(50)), unready_since=ago(60)),
            [(Kind.CRASH, "app", False)],
            id="a container that has not been ready since it crashed",
        ),
        pytest.param(
            a_pod("p", a_restarted_container(ready=False, running_since=ago(50)), unready_since=ago(20)),
            [(Kind.NOT_READY, "", True)],
            id="one that was ready again and is not now: the crash is past",
        ),
        pytest.param(
            a_pod("p", a_crashing_container(), a_container_status("proxy", ready=False), unready_since=ago(20)),
            [(Kind.CRASH, "app", True)],
            id="a crash is never past while its container does not run",
        ),
        pytest.param(
            a_pod("p", a_crashing_container(last=_ABORTED)),
            [(Kind.NOT_READY, "", True)],
            id="such a start alone is no crash",
        ),
        pytest.param(a_pod("p", a_restarted_container(last=_ABORTED)), [], id="such a start is over when it runs"),
        pytest.param(
            a_pod("p", a_crashing_container(last=a_termination("StartError", 128, message='exec: "x": not found'))),
            [(Kind.CRASH, "app", True)],
            id="another StartError is the program's own",
        ),
        pytest.param(
            a_pod("p", a_restarted_container(last=an_oom_kill(exit_code=1))),
            [(Kind.OOM, "app", False)],
            id="OOMKilled with another code: the kernel killed a child and the process gave up",
        ),
        pytest.param(
            a_pod("p", a_crashing_container(last=an_oom_kill(exit_code=143))),
            [(Kind.CRASH, "app", True)],
            id="OOMKilled with 143 comes from a cumulative counter: a crash",
        ),
        pytest.param(
            a_pod("p", a_restarted_container(last=an_oom_kill(exit_code=0))),
            [],
            id="OOMKilled with 0 is a clean exit",
        ),
        pytest.param(
            a_pod(
                "p",
                a_container_status(
                    ready=False, running_since=None, terminated=a_termination(exit_code=137), last=an_oom_kill()
                ),
            ),
            [(Kind.OOM, "app", True)],
            id="137/Error beside an OOMKilled is the same OOM kill reported wrongly",
        ),
        pytest.param(
            a_pod(
                "p",
                a_container_status(
                    ready=False, running_since=None, terminated=an_oom_kill(), last=a_termination(exit_code=137)
                ),
            ),
            [(Kind.OOM, "app", True)],
            id="OOMKilled now, 137/Error before",
        ),
        pytest.param(
            a_pod(
                "p",
                a_container_status(
                    ready=False, running_since=None, terminated=a_termination(exit_code=1), last=an_oom_kill()
                ),
            ),
            [(Kind.CRASH, "app", True)],
            id="an exit of its own after an OOM kill is a crash",
        ),
        pytest.param(
            a_pod(
                "p",
                a_container_status(
                    ready=False,
                    running_since=None,
                    terminated=a_termination(exit_code=137),
                    last=an_oom_kill(exit_code=143),
                ),
            ),
            [(Kind.CRASH, "app", True)],
            id="137/Error beside OOMKilled with 143 stays a crash",
        ),
        pytest.param(a_pod("p", a_crashing_container()), [(Kind.CRASH, "app", True)], id="crash loop, waiting"),
        pytest.param(
            a_pod("p", a_container_status(ready=False, running_since=None, terminated=a_termination())),
            [(Kind.CRASH, "app", True)],
            id="crash loop, terminated",
        ),
        pytest.param(a_pod("p", a_restarted_container()), [(Kind.CRASH, "app", False)], id="crash loop, running again"),
        pytest.param(
            a_pod("p", a_crashing_container(last=a_termination("Completed", 0))),
            [(Kind.CRASH, "app", True)],
            id="a container that ends at once with code 0 is in back-off all the same",
        ),
        pytest.param(
            a_pod("p", a_container_status(ready=False, running_since=None, waiting="CrashLoopBackOff", restarts=5)),
            [(Kind.CRASH, "app", True)],
            id="back-off whose last termination is no longer on record",
        ),
        pytest.param(
            a_pod("p", a_container_status(last=a_termination("Completed", 0))), [], id="a clean exit long ago is none"
        ),
        pytest.param(
            a_pod("p", a_waiting_container("ErrImagePull")), [(Kind.IMAGE, "app", True)], id="image, first try"
        ),
        pytest.param(
            a_pod("p", a_waiting_container("ImagePullBackOff")), [(Kind.IMAGE, "app", True)], id="image, backing off"
        ),
        pytest.param(
            a_pod("p", a_waiting_container("InvalidImageName")), [(Kind.IMAGE, "app", True)], id="no image name at all"
        ),
        pytest.param(
            a_pod("p", a_waiting_container("CreateContainerConfigError")),
            [(Kind.CONFIG, "app", True)],
            id="missing Secret or key",
        ),
        pytest.param(
            a_pod("p", a_waiting_container("ContainerCreating"), phase="Pending"),
            [(Kind.NOT_READY, "", True)],
            id="a pod whose volume is missing stays Pending",
        ),
        pytest.param(
            a_pod("p", a_waiting_container(""), phase="Pending", unschedulable="0/3 nodes are available"),
            [(Kind.UNSCHEDULABLE, "", True)],
            id="a pod that fits on no node",
        ),
        pytest.param(
            a_pod("p", a_container_status(ready=False)), [(Kind.NOT_READY, "", True)], id="running but not ready"
        ),
        pytest.param(
            a_pod(
                "p",
                a_crashing_container("migrate", init=True),
                a_waiting_container("PodInitializing"),
                phase="Pending",
            ),
            [(Kind.CRASH, "migrate", True)],
            id="an init container crashes, the others only wait for it",
        ),
        pytest.param(
            a_pod(
                "p",
                ContainerStatusView(
                    name="migrate", init=True, terminated=a_termination("Completed", 0), last=a_termination()
                ),
                a_container_status(),
            ),
            [],
            id="an init container that succeeded at the second try is well",
        ),
        pytest.param(
            a_pod(
                "p",
                a_container_status("wait", init=True, ready=False),
                a_waiting_container("PodInitializing"),
                phase="Pending",
            ),
            [(Kind.NOT_READY, "", True)],
            id="an init container that hangs",
        ),
        pytest.param(
            a_pod("p", a_container_status(), a_crashing_container("proxy", last=an_oom_kill())),
            [(Kind.OOM, "proxy", True)],
            id="a sidecar is named, not the container beside it",
        ),
        pytest.param(
            a_pod("p", a_crashing_container(), a_crashing_container("proxy")),
            [(Kind.CRASH, "app", True), (Kind.CRASH, "proxy", True)],
            id="two containers crash",
        ),
    ],
)
def test_one_pod(pod, expected):
    assert _seen(pod) == expected


def test_the_symptoms_of_many_pods_in_their_order():
    found = find_symptoms(
        [a_pod("a"), a_pod("b", a_crashing_container()), a_pod("c", a_waiting_container("ErrImagePull"))]
    )
    assert [(failure.pod, failure.kind) for failure in found] == [("b", Kind.CRASH), ("c", Kind.IMAGE)]


def test_a_symptom_in_words():
    end = a_termination(exit_code=2, message="no such file", finished_at=ago(60))
    (symptom,) = find_symptoms([a_pod("web-2-a", a_crashing_container(last=end))])
    assert str(symptom) == "pod web-2-a, container app: CrashLoopBackOff (exit code 2): no such file"
    assert symptom.at == ago(60)


SILENT = a_pod("p", a_container_status(ready=False), created_at=ago(60))
STATEFUL = WEB.model_copy(update={"kind": "StatefulSet"})


@pytest.mark.parametrize(
    ("pod", "workload", "counts"),
    [
        pytest.param(SILENT, {}, False, id="it may still be starting"),
        pytest.param(SILENT, {"progress_deadline_exceeded": True}, True, id="the rollout is past its deadline"),
        pytest.param(SILENT.model_copy(update={"unready_since": ago(29)}), {}, False, id="it was ready a moment ago"),
        pytest.param(
            SILENT.model_copy(update={"unready_since": ago(30)}), {}, True, id="it was ready and is no longer"
        ),
        pytest.param(
            SILENT.model_copy(update={"created_at": ago(601)}),
            {"ref": STATEFUL},
            True,
            id="a StatefulSet has no deadline of its own",
        ),
        pytest.param(
            SILENT.model_copy(update={"created_at": ago(299)}),
            {"ref": STATEFUL},
            False,
            id="a StatefulSet's pod may still be starting",
        ),
        pytest.param(
            SILENT.model_copy(update={"created_at": ago(86400), "unready_since": ago(3)}),
            {"ref": STATEFUL},
            False,
            id="an old pod of a StatefulSet that was ready a moment ago is not late",
        ),
        pytest.param(a_pod("p", a_crashing_container()), {}, True, id="a crash counts at once"),
        pytest.param(a_pod("p"), {}, False, id="a healthy pod never does"),
    ],
)
def test_a_pod_that_is_not_ready_counts_only_when_that_lasts(pod, workload, counts):
    evidence = an_evidence(pod, workload=a_deployment(**workload))
    assert bool(Findings(evidence).failures) is counts


@pytest.mark.parametrize(
    ("age", "counts"),
    [
        pytest.param(30, False, id="a new pod may be waiting for a new node"),
        pytest.param(150, True, id="after two minutes no node is coming"),
    ],
)
def test_a_pod_without_a_node_counts_after_a_while(age, counts):
    pod = a_pod("p", a_waiting_container(""), phase="Pending", unschedulable="no node", created_at=ago(age))
    assert bool(Findings(an_evidence(pod)).failures) is counts
