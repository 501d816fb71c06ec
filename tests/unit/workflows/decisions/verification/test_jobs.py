"""Jobs and bare pods: their end decides, and tries that fail on the way are no fault of the Job yet."""

import pytest
from builders import (
    WEB,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_policy,
    a_restarted_container,
    a_termination,
    a_waiting_container,
    ago,
    an_evidence,
    an_oom_kill,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.decisions.verification import confirmation
from prunella_workflows.model.outcome import Cause, Presence
from prunella_workflows.model.workload import JobView, Outcome

GRACE = 10
FAILED = Outcome.FAILED
LIMIT = "Job has reached the specified backoff limit"


def a_run(outcome=Outcome.RUNNING, **values):
    return JobView(name="report-1", outcome=outcome, **values)


def a_failed_pod(name="report-1-a", end=None, **values):
    """A try of a Job that failed: its pod stays as it ended."""
    status = a_container_status(ready=False, running_since=None, terminated=end or a_termination())
    return a_pod(name, status, **{"phase": "Failed", "failed": True, "revision": "", **values})


def evidence_of(*pods, run=None, kind="Job", **values):
    workload = a_deployment(ref=WEB.model_copy(update={"kind": kind}), replicas=1, revision="", run=run or a_run())
    return an_evidence(**{"workload": workload.model_copy(update={"updated_replicas": 0}), "pods": pods, **values})


def of_job(container, **values):
    return a_pod("report-1-a", container, revision="", **values)


CASES = [
    pytest.param((), a_run(Outcome.COMPLETE), Presence.RECOVERED, "RunCompleted", id="it completed"),
    pytest.param((a_failed_pod(),), a_run(FAILED), Presence.FAILING, "RunFailed", id="it failed"),
    pytest.param((), a_run(FAILED, message=LIMIT), Presence.FAILING, "RunFailed", id="it failed and left no pod"),
    pytest.param(
        (a_failed_pod(),), a_run(failures=1), Presence.WATCHING, "Watching", id="a try failed, another will follow"
    ),
    pytest.param(
        (a_failed_pod(), of_job(a_container_status(running_since=ago(20)))),
        a_run(failures=1),
        Presence.WATCHING,
        "Watching",
        id="a try failed, another has begun",
    ),
    pytest.param(
        (a_failed_pod(), of_job(a_container_status(running_since=ago(301)))),
        a_run(failures=1),
        Presence.RECOVERED,
        "RunsAgain",
        id="the second try has been running for long",
    ),
    pytest.param((a_failed_pod(),), a_run(failures=5), Presence.FAILING, "KeepsFailing", id="five pods failed"),
    pytest.param(
        (of_job(a_crashing_container(restarts=3)),), a_run(), Presence.WATCHING, "Watching", id="four failures in place"
    ),
    pytest.param(
        (of_job(a_crashing_container(restarts=4)),),
        a_run(),
        Presence.FAILING,
        "KeepsFailing",
        id="five failures in place",
    ),
    pytest.param(
        (of_job(a_restarted_container(restarts=3)),), a_run(), Presence.WATCHING, "Watching", id="it runs in between"
    ),
    pytest.param(
        (of_job(a_waiting_container("ImagePullBackOff")),),
        a_run(),
        Presence.FAILING,
        "FaultPersists",
        id="no try will ever begin",
    ),
    pytest.param((), a_run(), Presence.WATCHING, "Watching", id="it has no pod at the moment"),
]


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
@pytest.mark.parametrize(("pods", "run", "presence", "reason"), CASES)
def test_a_job(pods, run, presence, reason, kind):
    found = confirmation.confirm(Findings(evidence_of(*pods, run=run, kind=kind)), a_policy(grace=GRACE))
    assert (found.presence, found.reason) == (presence, reason), found.message


def test_what_no_try_can_mend_has_to_last_for_the_grace_period():
    stuck = of_job(a_waiting_container("ImagePullBackOff"))
    assert (
        confirmation.confirm(Findings(evidence_of(stuck, opened_at=ago(5))), a_policy(grace=GRACE)).presence
        is Presence.WATCHING
    )


@pytest.mark.parametrize(
    ("pod", "run", "presence", "reason"),
    [
        (a_failed_pod(), a_run(FAILED), Presence.FAILING, "RunFailed"),
        (a_pod(phase="Succeeded"), a_run(Outcome.COMPLETE), Presence.RECOVERED, "RunCompleted"),
        (a_pod("p", a_crashing_container(), revision=""), a_run(), Presence.FAILING, "FaultPersists"),
    ],
)
def test_a_bare_pod(pod, run, presence, reason):
    found = confirmation.confirm(Findings(evidence_of(pod, run=run, kind="Pod")), a_policy(grace=GRACE))
    assert (found.presence, found.reason) == (presence, reason)


def test_a_bare_pod_that_runs_again_has_recovered():
    workload = a_deployment(ref=WEB.model_copy(update={"kind": "Pod"}), replicas=1, revision="", run=a_run())
    evidence = an_evidence(a_pod("p", revision=""), workload=workload)
    assert confirmation.confirm(Findings(evidence), a_policy(grace=GRACE)).presence is Presence.RECOVERED


@pytest.mark.parametrize(
    ("pods", "cause", "words"),
    [
        pytest.param((a_failed_pod(),), Cause.POD_CRASH_LOOP, "exit code 1", id="its last pod says why"),
        pytest.param((), Cause.POD_CRASH_LOOP, f"Job report-1 failed (BackoffLimitExceeded: {LIMIT})", id="no pod"),
        pytest.param((a_failed_pod(end=an_oom_kill()),), Cause.POD_OOM_KILLED, "OOM-killed", id="out of memory"),
    ],
)
def test_what_a_failed_job_died_of_is_told(pods, cause, words):
    run = a_run(FAILED, reason="BackoffLimitExceeded", message=LIMIT)
    diagnosis, plan = decide(Findings(evidence_of(*pods, run=run)), a_policy())
    assert (diagnosis.cause, plan.reason, plan.steps) == (cause, "ReportOnly", ())
    assert words in plan.message
