"""OOM kills that are not called OOMKilled, and kills that are none."""

import pytest
from builders import (
    MI,
    a_brief,
    a_container,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_policy,
    a_restarted_container,
    a_revision,
    a_termination,
    a_waiting_container,
    ago,
    an_evidence,
    an_oom_kill,
    an_unavailable_deployment,
    the_history,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.memory_kills import reason_pending
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.model.evidence import ContainerUsage, EventView, LogTail, Usage
from prunella_workflows.model.neighbours import NodeView
from prunella_workflows.model.outcome import Cause

POD = "web-2-a"


def ended(code=137, message="", seconds=20, lasted=5, **values):
    """A pod whose container ended so a moment ago."""
    began = ago(seconds + lasted)
    last = a_termination(exit_code=code, message=message, started_at=began, finished_at=ago(seconds))
    return a_pod(POD, a_crashing_container(last=last, restarts=1), **values)


def used(mebibytes, **values):
    container = ContainerUsage(pod=POD, container="app", memory_bytes=mebibytes * MI, **values)
    return Usage(source="Prometheus", at=ago(5), containers=(container,))


def said(line):
    return (LogTail(pod=POD, container="app", lines=("started", line)),)


def a_release(pod, **values):
    """A new release that a rollback would undo, if it were to blame."""
    return an_evidence(pod, **{"revisions": the_history(), "workload": an_unavailable_deployment(), **values})


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(a_release(ended(), usage=used(62)), id="the memory was at its limit"),
        pytest.param(a_release(ended(), usage=used(3, oom_kills=1)), id="cAdvisor counted a kill"),
        pytest.param(
            a_release(ended(3), logs=said("Exception: java.lang.OutOfMemoryError: Java heap space")),
            id="the JVM, exit 3",
        ),
        pytest.param(a_release(ended(), logs=said("java.lang.OutOfMemoryError")), id="the JVM, exit 137"),
        pytest.param(
            a_release(ended(1), logs=said("Worker (pid:7) was sent SIGKILL! Perhaps out of memory?")),
            id="a child process",
        ),
        pytest.param(
            a_release(ended(1, "Out of memory: Killed process 123 (sh)")), id="a child, by the kernel's words"
        ),
        pytest.param(
            a_release(
                a_pod(
                    POD,
                    a_crashing_container(
                        last=a_termination(
                            "StartError", 128, message="container init was OOM-killed (memory limit too low?)"
                        )
                    ),
                )
            ),
            id="killed at its start",
        ),
        pytest.param(
            a_release(a_pod(POD, a_waiting_container("RunContainerError", message="container init was OOM-killed"))),
            id="killed while it is created",
        ),
        pytest.param(
            a_release(
                a_pod(
                    POD,
                    a_waiting_container("ContainerCreating"),
                    ready=False,
                    ready_since=None,
                    phase="Pending",
                ),
                events=(
                    EventView(
                        about=POD,
                        reason="FailedCreatePodSandBox",
                        message="Failed to create pod sandbox: container init was OOM-killed (memory limit too low?)",
                    ),
                ),
            ),
            id="the sandbox is killed",
        ),
    ],
)
def test_an_oom_kill_under_another_name(evidence):
    diagnosis, plan = decide(Findings(evidence), a_policy())
    assert (diagnosis.cause, diagnosis.container) == (Cause.POD_OOM_KILLED, "app")
    assert plan.steps[0].action.kind == "SetMemory"


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(a_release(ended()), id="137 alone"),
        pytest.param(a_release(ended(), usage=used(20)), id="far from the limit"),
        pytest.param(a_release(ended(1), usage=used(63)), id="a program that exits by itself near its limit"),
        pytest.param(a_release(ended(2), logs=said("cannot catch java.lang.OutOfMemoryError")), id="another exit code"),
        pytest.param(a_release(ended(1), logs=said("cache is out of memory slots")), id="other words"),
    ],
)
def test_what_is_none(evidence):
    assert decide(Findings(evidence), a_policy())[0].cause is Cause.BAD_RELEASE


def test_memory_that_grew_up_to_the_limit_is_a_leak_of_the_new_release():
    diagnosis, plan = decide(Findings(a_release(ended(), memory_growing=("app",))), a_policy())
    assert (diagnosis.cause, plan.steps[0].action.kind) == (Cause.POD_OOM_KILLED, "RestoreTemplate")


def test_the_proof_is_among_what_decided():
    diagnosis, _ = decide(Findings(a_release(ended(), usage=used(62))), a_policy())
    assert "container app: 62 MiB of memory were in use, nearly its limit" in diagnosis.decided_by


def test_the_limit_of_the_pod_as_a_whole_counts_and_is_named():
    workload = a_deployment(a_container(memory_limit=None))
    pod = ended(memory_limits={}, memory_limit=64 * MI)
    diagnosis, plan = decide(Findings(a_release(pod, workload=workload, usage=used(62))), a_policy())
    assert (diagnosis.cause, plan.reason, plan.steps) == (Cause.POD_OOM_KILLED, "NoMemoryLimit", ())
    assert "its pods have one of 64Mi as a whole" in plan.message


def test_no_container_is_raised_above_the_limit_of_its_pod():
    pod = a_pod(POD, a_crashing_container(last=an_oom_kill()), memory_limit=80 * MI)
    _, plan = decide(Findings(an_evidence(pod)), a_policy())
    assert plan.steps[0].action.limit_to == 80 * MI


DETECTED = {"incident_name": "web-1", "incidents": (a_brief("web-1", source="pods"),)}


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(a_release(ended()), id="a person reported it, the end of the run before is unknown"),
        pytest.param(a_release(ended(lasted=3600), **DETECTED), id="the first end after an hour"),
    ],
)
def test_after_a_kill_without_a_reason_the_next_run_is_waited_for(evidence):
    assert "waiting for the end of its next run" in reason_pending(Findings(evidence))


RUNS_TWICE = a_restarted_container(
    running_since=None,
    terminated=a_termination(exit_code=137, finished_at=ago(5)),
    last=a_termination(exit_code=137, finished_at=ago(30)),
    ready=False,
)


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(a_release(ended(seconds=61)), id="the next run said nothing within a minute"),
        pytest.param(a_release(ended(), **DETECTED), id="Prunella saw the run before end, too"),
        pytest.param(a_release(ended(1)), id="another exit code"),
        pytest.param(a_release(a_pod(POD, RUNS_TWICE)), id="two runs ended so"),
        pytest.param(
            an_evidence(
                ended(),
                ended().model_copy(update={"name": "web-2-b"}),
                revisions=the_history(),
                workload=an_unavailable_deployment(),
            ),
            id="two pods ended so",
        ),
        pytest.param(a_release(ended(memory_limits={})), id="a container without a limit"),
        pytest.param(
            a_release(
                ended(), events=(EventView(about=POD, reason="Unhealthy", message="Liveness probe failed: timeout"),)
            ),
            id="a probe had it killed",
        ),
        pytest.param(an_evidence(a_pod(POD)), id="nothing is wrong"),
    ],
)
def test_what_is_not_waited_for(evidence):
    assert reason_pending(Findings(evidence)) == ""


def test_the_next_run_s_word_is_taken():
    status = a_restarted_container(
        running_since=None,
        ready=False,
        terminated=an_oom_kill(finished_at=ago(5)),
        last=a_termination(exit_code=137, finished_at=ago(30)),
    )
    evidence = an_evidence(a_pod(POD, status), revisions=(a_revision(2, current=True),))
    assert decide(Findings(evidence), a_policy())[0].cause is Cause.POD_OOM_KILLED


PRESSED = (NodeView(name="node-a", pressure=("MemoryPressure",)),)
KILLED = a_pod(POD, a_crashing_container(last=an_oom_kill()))


@pytest.mark.parametrize("revisions", [the_history(), the_history(good_at=ago(60))])
def test_a_kill_on_a_node_that_is_short_of_memory_is_of_the_node(revisions):
    evidence = a_release(KILLED, nodes=PRESSED, revisions=revisions)
    diagnosis, plan = decide(Findings(evidence), a_policy())
    assert (diagnosis.cause, diagnosis.caused_by.target, plan.steps) == (Cause.NODE_PRESSURE, "Node/node-a", ())


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"nodes": PRESSED, "usage": used(62)}, id="its own limit was reached"),
        pytest.param({"nodes": (NodeView(name="node-a", pressure=("DiskPressure",)),)}, id="it lacks disk"),
        pytest.param({}, id="a node without pressure"),
    ],
)
def test_a_kill_by_its_own_limit_stays_one(more):
    assert decide(Findings(a_release(KILLED, **more)), a_policy())[0].cause is Cause.POD_OOM_KILLED
