"""Playbook bad_release: back to the last good revision; an innocent release is left alone."""

import pytest
from builders import (
    a_container,
    a_crashing_container,
    a_pod,
    a_policy,
    a_restarted_container,
    a_revision,
    a_snapshot,
    a_termination,
    a_waiting_container,
    ago,
    an_attempt,
    an_evidence,
    an_unavailable_deployment,
    the_history,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.bad_release import diagnose, plan
from prunella_workflows.decisions.playbooks.playbook import PlanCase
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import RestoreTemplate
from prunella_workflows.model.pod_demands import PodDemands

CRASHING = a_pod("web-2-a", a_crashing_container())
OLD = a_pod("web-1-a", revision="1")
NOT_READY = a_pod("web-2-a", ready=False, ready_since=None, created_at=ago(60))


def _evidence(*pods, **values):
    return an_evidence(
        *(pods or (CRASHING, OLD)), **{"workload": an_unavailable_deployment(), "revisions": the_history(), **values}
    )


def _target(evidence, *tried):
    diagnosis = diagnose(Findings(evidence))
    assert isinstance(diagnosis, Diagnosis)
    (step,) = plan(PlanCase(diagnosis, Findings(evidence), a_policy(), tried)).steps
    assert isinstance(step.action, RestoreTemplate)
    return step.action.revision


@pytest.mark.parametrize(
    ("pod", "what"),
    [
        (CRASHING, "crashes"),
        (a_pod("web-2-a", a_restarted_container()), "crashes"),
        (a_pod("web-2-a", a_crashing_container(last=a_termination("Completed", 0))), "crashes"),
        (a_pod("web-2-a", a_crashing_container("init", init=True), phase="Pending"), "crashes"),
        (a_pod("web-2-a", a_waiting_container("ImagePullBackOff"), phase="Pending"), "image that cannot be pulled"),
        (a_pod("web-2-a", a_waiting_container("CreateContainerConfigError"), phase="Pending"), "configuration"),
        (a_pod("web-2-a", a_waiting_container(""), phase="Pending", unschedulable="no node"), "cannot be scheduled"),
    ],
    ids=[
        "a crash",
        "between two crashes",
        "ends at once with 0",
        "an init container",
        "the image",
        "the configuration",
        "no node",
    ],
)
def test_recognises_a_new_release_that_does_not_run(pod, what):
    workload = an_unavailable_deployment(a_container(), a_container("init", init=True))
    revisions = the_history(demands=PodDemands(placement="elsewhere"))
    diagnosis = diagnose(Findings(_evidence(pod, OLD, workload=workload, revisions=revisions)))
    assert isinstance(diagnosis, Diagnosis)
    assert diagnosis.cause is Cause.BAD_RELEASE
    assert what in diagnosis.message
    assert "revision 1 (registry.example/web:1) was available before" in diagnosis.message


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        pytest.param(_evidence(a_pod()), "no pod of the current revision fails", id="healthy pods"),
        pytest.param(
            _evidence(CRASHING.model_copy(update={"deleting": True}), OLD),
            "no pod of the current",
            id="only a pod that is going",
        ),
        pytest.param(
            _evidence(NOT_READY, OLD), "no pod of the current revision fails", id="not ready, the deadline is not over"
        ),
        pytest.param(
            _evidence(revisions=the_history(good_at=ago(60))),
            "was available and stable before",
            id="an innocent release",
        ),
        pytest.param(
            _evidence(
                revisions=(
                    a_revision(1, good_at=ago(7200)),
                    a_revision(2, current=True),
                    a_snapshot(template_hash="hash-2"),
                )
            ),
            "was available and stable before",
            id="an innocent release whose own record is lost, but a snapshot of the same template was good",
        ),
        pytest.param(
            _evidence(
                revisions=(
                    a_revision(1, good_at=ago(7200)),
                    a_revision(2, good_at=ago(600)),
                    a_revision(3, ref=a_revision(2).ref.model_copy(update={"name": "web-3"}), current=True),
                )
            ),
            "was available and stable before",
            id="a restart is no release",
        ),
        pytest.param(
            _evidence(revisions=(a_revision(2, current=True),)), "no earlier revision", id="the first release ever"
        ),
        pytest.param(
            _evidence(revisions=(a_revision(1), a_revision(2, current=True))),
            "no earlier revision",
            id="none was ever good",
        ),
        pytest.param(_evidence(revisions=()), "no earlier revision", id="no history at all"),
        pytest.param(
            _evidence(revisions=(a_revision(1, good_at=ago(60), compatible=False), a_revision(2, current=True))),
            "no earlier revision",
            id="the only good one does not fit the selector",
        ),
        pytest.param(
            _evidence(CRASHING, a_pod("web-1-a", a_crashing_container(), revision="1")),
            "the last good revision fails as well",
            id="the good revision's pods crash too: a dependency is down",
        ),
        pytest.param(
            _evidence(CRASHING, a_pod("web-1-a", a_restarted_container(), revision="1")),
            "the last good revision fails as well",
            id="the good revision's pods crash too and run for a moment",
        ),
    ],
)
def test_does_not_recognise(evidence, why):
    answer = diagnose(Findings(evidence))
    assert isinstance(answer, Rejected)
    assert why in answer.reason


@pytest.mark.parametrize(
    "old",
    [
        pytest.param(
            a_pod("web-1-a", a_waiting_container("ErrImagePull"), revision="1"), id="they fail in another way"
        ),
        pytest.param(
            a_pod("web-1-a", a_restarted_container(last=a_termination(finished_at=ago(86400))), revision="1"),
            id="they crashed once, yesterday",
        ),
        pytest.param(
            a_pod("web-1-a", a_crashing_container(), revision="1", deleting=True), id="they are on their way out"
        ),
        pytest.param(a_pod("web-0-a", a_crashing_container(), revision="0"), id="it is another revision that fails"),
    ],
)
def test_the_release_is_to_blame_although_pods_of_other_revisions_are_not_all_well(old):
    assert isinstance(diagnose(Findings(_evidence(CRASHING, old))), Diagnosis)


@pytest.mark.parametrize(
    "pod", [NOT_READY, a_pod("web-2-a", a_waiting_container("ContainerCreating"), phase="Pending")]
)
def test_not_ready_counts_once_the_progress_deadline_has_passed(pod):
    late = an_unavailable_deployment(progress_deadline_exceeded=True)
    diagnosis = diagnose(Findings(_evidence(pod, OLD, workload=late)))
    assert isinstance(diagnosis, Diagnosis)
    assert "does not become ready" in diagnosis.message


@pytest.mark.parametrize(
    ("revisions", "name"),
    [
        pytest.param(the_history(), "web-1", id="the previous one, when it was good"),
        pytest.param(
            (a_revision(0, good_at=ago(7200)), a_revision(1), a_revision(2, current=True)),
            "web-0",
            id="two bad releases in a row: the last good one, not the previous one",
        ),
        pytest.param(
            (a_revision(0, good_at=ago(60)), a_revision(1, good_at=ago(7200)), a_revision(2, current=True)),
            "web-0",
            id="the one seen good last, not the one with the highest number",
        ),
        pytest.param(
            (a_revision(0, good_at=ago(60)), a_revision(1, good_at=ago(60)), a_revision(2, current=True)),
            "web-1",
            id="of two seen good at the same moment the newer",
        ),
        pytest.param(
            (a_snapshot(), a_revision(2, current=True)),
            "web-snapshot-1",
            id="a snapshot, when the Deployment was recreated",
        ),
        pytest.param((a_snapshot(),), "web-snapshot-1", id="a snapshot, when the current revision has no record yet"),
        pytest.param(
            (
                a_revision(0, good_at=ago(7200)),
                a_revision(1, good_at=ago(60), compatible=False),
                a_revision(2, current=True),
            ),
            "web-0",
            id="one whose labels do not fit the selector is passed over",
        ),
    ],
)
def test_where_it_goes_back_to(revisions, name):
    assert _target(_evidence(CRASHING, revisions=revisions)).name == name


def test_the_write_is_bound_to_what_the_decision_was_made_on():
    evidence = _evidence(workload=an_unavailable_deployment(last_action="old-1"))
    (step,) = plan(PlanCase(diagnose(Findings(evidence)), Findings(evidence), a_policy())).steps
    assert (step.action.require.uid, step.action.require.template_hash) == ("uid-web", "hash-2")
    assert step.action.require.last_action == "old-1"
    assert step.action.parameters == {"to": "revision 1 (registry.example/web:1)"}


def test_a_rollback_that_did_not_help_is_not_repeated():
    evidence = _evidence()
    left = plan(
        PlanCase(diagnose(Findings(evidence)), Findings(evidence), a_policy(), (an_attempt(action="RestoreTemplate"),))
    )
    assert (left.steps, left.reason) == ((), "RollbackDidNotHelp")


def test_a_raise_of_memory_before_does_not_stand_in_the_way():
    assert _target(_evidence(), an_attempt()).name == "web-1"


def _late_crash(life=40, *, running=False, **values):
    """A container that died twice, each time after a life of so many seconds."""
    end = a_termination(started_at=ago(60 + life), finished_at=ago(60))
    status = a_restarted_container if running else a_crashing_container
    return a_pod("web-2-a", status(last=end, **{"restarts": 2 if running else 1, **values}))


def _young(good_for=200, **values):
    """The release was first found good a moment before the incident, which was opened 300 s ago."""
    return {
        "revisions": the_history(good_at=ago(400), good_since=ago(300 + good_for)),
        "soak": 30.0,
        **values,
    }


@pytest.mark.parametrize(
    ("evidence", "blamed"),
    [
        pytest.param(_evidence(_late_crash(), OLD, **_young()), True, id="it always dies later than it was watched"),
        pytest.param(_evidence(_late_crash(running=True), **_young()), True, id="it runs for a moment"),
        pytest.param(_evidence(_late_crash(30), **_young()), False, id="it dies sooner than it did before"),
        pytest.param(_evidence(_late_crash(), **_young(601)), False, id="the release is not young"),
        pytest.param(_evidence(_late_crash(restarts=0), **_young()), False, id="it died once"),
        pytest.param(
            _evidence(
                _late_crash(),
                a_pod("web-2-b", a_crashing_container(last=a_termination(started_at=ago(61)))),
                **_young(),
            ),
            False,
            id="another pod of it dies at its start",
        ),
        pytest.param(
            _evidence(_late_crash(), revisions=(the_history(good_at=ago(400), good_since=ago(400))[1],), soak=30.0),
            False,
            id="there is nothing to go back to",
        ),
        pytest.param(
            _evidence(_late_crash(), revisions=the_history(good_at=ago(400)), soak=30.0),
            False,
            id="unknown since when it is good",
        ),
    ],
)
def test_a_young_release_that_dies_late_was_never_proven(evidence, blamed):
    assert isinstance(diagnose(Findings(evidence)), Diagnosis) is blamed


def test_a_mark_of_the_configuration_makes_no_new_release():
    revisions = (a_revision(1, good_at=ago(7200), content="same"), a_revision(2, current=True, content="same"))
    answer = diagnose(Findings(_evidence(CRASHING, revisions=revisions)))
    assert isinstance(answer, Rejected)
    assert "was available and stable before" in answer.reason


BRIEF = a_revision(1, ready_for=20.0)
INHERITED = a_revision(0, good_at=ago(7200), inherited=True)


@pytest.mark.parametrize(
    ("known", "why"),
    [(BRIEF, "but it was ready for 20 s, which proves little"), (INHERITED, "but it is known of a deleted workload")],
)
def test_a_doubtful_revision_is_better_than_none_and_the_doubt_is_told(known, why):
    evidence = _evidence(revisions=(a_revision(2, current=True), known))
    diagnosis = diagnose(Findings(evidence))
    assert isinstance(diagnosis, Diagnosis)
    assert (diagnosis.confidence, why in diagnosis.message) == (0.6, True)
    assert _target(evidence) == known.ref


@pytest.mark.parametrize(
    ("better", "worse"),
    [(a_revision(1, good_at=ago(7200)), a_revision(2, ready_for=25.0)), (BRIEF, INHERITED)],
    ids=["proven", "its own"],
)
def test_what_is_known_better_comes_first(better, worse):
    evidence = _evidence(revisions=(a_revision(3, current=True), worse, better))
    assert _target(evidence) == better.ref


def test_a_current_release_that_was_ready_briefly_is_new():
    evidence = _evidence(revisions=(a_revision(2, current=True, ready_for=12.0), a_revision(1, good_at=ago(7200))))
    assert isinstance(diagnose(Findings(evidence)), Diagnosis)
