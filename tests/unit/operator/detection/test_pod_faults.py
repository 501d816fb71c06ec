"""New faults of a pod: each case is a sequence of views, and the reports for each view."""

from datetime import UTC, datetime

import msgspec
import pytest
from fakes.pods import ended, pod, running, waiting

from prunella_operator.detection.pod_faults import detect_faults
from prunella_operator.detection.pod_status import Pod

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
BACK_OFF = waiting("CrashLoopBackOff", "back-off 10s restarting failed container=app")
OOM = ended("OOMKilled", 137)
LATER = "2026-11-24T09:59:30Z"
LAST_WEEK = "2026-11-17T09:59:00Z"


def app(restarts=0, state=None, last=None, name="app"):
    status = running(name=name, restartCount=restarts, lastState=last or {})
    return status | ({"state": state} if state else {})


def view(*containers, **more):
    return pod(containers=list(containers), **more)


def film(*views, seen_before=True):
    """The reports for each view, as `Type/reason container`."""
    memory, result = () if seen_before else None, []
    for body in views:
        found, memory = detect_faults(msgspec.convert(body, Pod), memory, NOW)
        result.append([f"{signal.type}/{signal.reason} {signal.container}" for signal in found])
    return result


CASES = {
    "a healthy pod": ([view(app())], [[]]),
    "a pod without statuses yet": ([view(phase="Pending")], [[]]),
    "an OOM kill is reported at the first death and not again when the container restarts": (
        [view(app(0, OOM)), view(app(1, None, OOM)), view(app(1, None, OOM))],
        [["OOMKilled/OOMKilled app"], [], []],
    ),
    "an OOM kill that was missed is found in the last state": (
        [view(app()), view(app(1, None, OOM))],
        [[], ["OOMKilled/OOMKilled app"]],
    ),
    "each further OOM kill is reported, and the back-off between them is not": (
        [
            view(app(0, OOM)),
            view(app(0, BACK_OFF, OOM)),
            view(app(1, None, OOM)),
            view(app(1, ended("OOMKilled", 137, LATER), OOM)),
            view(app(1, BACK_OFF, ended("OOMKilled", 137, LATER))),
        ],
        [["OOMKilled/OOMKilled app"], [], [], ["OOMKilled/OOMKilled app"], []],
    ),
    "an OOM kill and a plain death missed together count as the OOM kill": (
        [view(app()), view(app(1, ended("Error", 137, LATER), OOM))],
        [[], ["OOMKilled/OOMKilled app"]],
    ),
    "exit code 137 alone is no OOM kill": ([view(app(0, ended("Error", 137)))], [[]]),
    "one death alone is not reported": (
        [view(app(0, ended())), view(app(1, None, ended()))],
        [[], []],
    ),
    "the second death is, before the back-off is shown, and the back-off says nothing new": (
        [
            view(app(1, None, ended())),
            view(app(1, ended(at=LATER), ended())),
            view(app(1, BACK_OFF, ended(at=LATER))),
            view(app(2, None, ended(at=LATER))),
        ],
        [[], ["PodCrashLoop/Error app"], [], []],
    ),
    "two deaths within one second are told apart by the count": (
        [view(app(1, None, ended())), view(app(1, ended(), ended())), view(app(2, ended(), ended()))],
        [[], ["PodCrashLoop/Error app"], ["PodCrashLoop/Error app"]],
    ),
    "a count that went back does not hide a death": (
        [view(app(7, None, ended())), view(app(1, ended(at=LATER), ended()))],
        [["PodCrashLoop/Error app"], ["PodCrashLoop/Error app"]],
    ),
    "a back-off after the first death confirms it": (
        [view(app(0, ended())), view(app(0, BACK_OFF, ended())), view(app(0, BACK_OFF, ended()))],
        [[], ["PodCrashLoop/CrashLoopBackOff app"], []],
    ),
    "a container that ends well is reported only when it is backed off": (
        [view(app(3, ended("Completed", 0))), view(app(3, BACK_OFF, ended("Completed", 0)))],
        [[], ["PodCrashLoop/CrashLoopBackOff app"]],
    ),
    "a container that is created again between deaths brings no news": (
        [
            view(app(1, ended(at=LATER))),
            view(app(1, BACK_OFF, ended(at=LATER))),
            view(app(1, waiting("ContainerCreating"), ended(at=LATER))),
            view(app(2, None, ended(at=LATER))),
        ],
        [["PodCrashLoop/Error app"], [], [], []],
    ),
    "an image that cannot be pulled is one signal for as long as it lasts": (
        [
            view(app(state=waiting("ContainerCreating"))),
            view(app(state=waiting("ErrImagePull", "not found"))),
            view(app(state=waiting("ImagePullBackOff"))),
            view(app(state=waiting("ErrImagePull"))),
        ],
        [[], ["ImagePullFailure/ErrImagePull app"], [], []],
    ),
    "and a new one after the container ran": (
        [view(app(state=waiting("ErrImagePull"))), view(app()), view(app(state=waiting("ErrImagePull")))],
        [["ImagePullFailure/ErrImagePull app"], [], ["ImagePullFailure/ErrImagePull app"]],
    ),
    "an impossible image name": (
        [view(app(state=waiting("InvalidImageName")))],
        [["ImagePullFailure/InvalidImageName app"]],
    ),
    "an image that may not be pulled": (
        [view(app(state=waiting("ErrImageNeverPull")))],
        [["ImagePullFailure/ErrImageNeverPull app"]],
    ),
    "a missing Secret": (
        [view(app(state=waiting("CreateContainerConfigError", 'secret "db" not found')))] * 2,
        [["ConfigError/CreateContainerConfigError app"], []],
    ),
    "a command that does not exist is a wrong setting, not a crash": (
        [
            view(app(0, ended("StartError", 128))),
            view(app(0, waiting("RunContainerError"), ended("StartError", 128))),
            view(app(0, BACK_OFF, ended("StartError", 128))),
        ],
        [["ConfigError/StartError app"], ["ConfigError/RunContainerError app"], []],
    ),
    "both at once are one signal": (
        [view(app(0, waiting("RunContainerError"), ended("StartError", 128)))],
        [["ConfigError/StartError app"]],
    ),
    "an init container that was killed for memory": (
        [pod(init=[app(0, OOM, name="migrate")], containers=[app(state=waiting("PodInitializing"))])],
        [["OOMKilled/OOMKilled migrate"]],
    ),
    "an init container that did its work": ([pod(init=[app(0, ended("Completed", 0), name="migrate")])], [[]]),
    "a sidecar among the init containers that crashes again": (
        [pod(init=[app(1, ended(at=LATER), ended(), name="proxy")])],
        [["PodCrashLoop/Error proxy"]],
    ),
    "two containers in different trouble": (
        [view(app(0, OOM), app(state=waiting("ErrImagePull"), name="proxy"))],
        [["OOMKilled/OOMKilled app", "ImagePullFailure/ErrImagePull proxy"]],
    ),
    "a pod that is being deleted": (
        [view(app(1, OOM, ended()), phase="Failed", deletionTimestamp="2026-11-24T09:59:58Z")],
        [[]],
    ),
    "a pod that succeeded": ([view(app(3, ended("Completed", 0), OOM), phase="Succeeded")], [[]]),
    "an evicted pod, whose containers were killed with it": (
        [view(app(3, ended("Error", 137), ended()), phase="Failed", reason="Evicted")],
        [[]],
    ),
    "a pod of a Job that failed by OOM kill": ([view(app(0, OOM), phase="Failed")], [["OOMKilled/OOMKilled app"]]),
    "an end without a time": (
        [view(app(1, {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "finishedAt": None}}))] * 2,
        [["PodCrashLoop/ContainerStatusUnknown app"], []],
    ),
}

FIRST_SIGHT = {
    "a pod in back-off": (view(app(9, BACK_OFF, ended(at=LAST_WEEK))), ["PodCrashLoop/CrashLoopBackOff app"]),
    "a pod without its image": (
        view(app(state=waiting("ImagePullBackOff"))),
        ["ImagePullFailure/ImagePullBackOff app"],
    ),
    "an OOM kill a minute ago": (view(app(1, None, OOM)), ["OOMKilled/OOMKilled app"]),
    "a second crash a minute ago": (view(app(2, None, ended())), ["PodCrashLoop/Error app"]),
    "a container that died last week and runs since": (view(app(2, None, ended("OOMKilled", 137, LAST_WEEK))), []),
    "a container that lies dead since last week": (view(app(2, ended(at=LAST_WEEK))), ["PodCrashLoop/Error app"]),
    "a container that runs after an end without a time": (
        view(app(2, None, {"terminated": {"exitCode": 255, "reason": "Unknown"}})),
        [],
    ),
}


@pytest.mark.parametrize(("views", "expected"), CASES.values(), ids=CASES)
def test_what_is_reported(views, expected):
    assert film(*views) == expected


@pytest.mark.parametrize(("first", "expected"), FIRST_SIGHT.values(), ids=FIRST_SIGHT)
def test_what_is_reported_of_a_pod_never_seen_before(first, expected):
    assert film(first, first, seen_before=False) == [expected, []]


def test_history_that_was_passed_over_stays_so_and_the_next_death_is_news():
    old = ended("OOMKilled", 137, LAST_WEEK)
    views = view(app(2, None, old)), view(app(2, OOM, old)), view(app(3, None, OOM))

    assert film(*views, seen_before=False) == [[], ["OOMKilled/OOMKilled app"], []]


JOB = [{"apiVersion": "batch/v1", "kind": "Job", "name": "report", "uid": "j", "controller": True}]
FOREIGN = [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w", "uid": "w", "controller": True}]


@pytest.mark.parametrize(
    ("owners", "found"),
    [
        pytest.param(None, ["PodCrashLoop/Error app"], id="a bare pod is not replaced"),
        pytest.param(FOREIGN, ["PodCrashLoop/Error app"], id="an owner of whom we know nothing"),
        pytest.param(JOB, [], id="a try of a Job, which makes another one"),
        pytest.param(view()["metadata"]["ownerReferences"], [], id="a pod that is replaced at once"),
    ],
)
def test_a_first_death_that_is_final_is_reported(owners, found):
    dead = view(app(0, ended()), phase="Failed", ownerReferences=owners)
    assert film(view(app(), ownerReferences=owners), dead, dead) == [[], found, []]


def test_a_pod_that_failed_long_ago_is_history():
    old = view(app(0, ended("OOMKilled", 137, LAST_WEEK)), phase="Failed", ownerReferences=JOB)
    assert film(old, seen_before=False) == [[]]
    new = view(app(0, OOM), phase="Failed", ownerReferences=JOB)
    assert film(new, seen_before=False) == [["OOMKilled/OOMKilled app"]]


def test_the_memory_of_a_healthy_pod_is_empty_and_that_of_a_deleted_one_is_kept():
    _, healthy = detect_faults(msgspec.convert(view(app()), Pod), None, NOW)
    _, troubled = detect_faults(msgspec.convert(view(app(0, OOM)), Pod), None, NOW)
    _, leaving = detect_faults(
        msgspec.convert(view(app(), deletionTimestamp="2026-11-24T09:59:58Z"), Pod), troubled, NOW
    )

    assert healthy == ()
    assert leaving == troubled


def test_a_signal_says_all_that_is_known():
    body = view(app(1, OOM, ended()), labels={"prunella.dev/ignore": "true"})
    (signal,), _ = detect_faults(msgspec.convert(body, Pod), (), NOW)

    assert signal.model_dump(exclude={"severity"}) == {
        "source": "pods",
        "type": "OOMKilled",
        "namespace": "shop",
        "kind": "Pod",
        "name": "web-1",
        "uid": "uid-web-1",
        "owner": {"api_version": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "uid": "rs-1"},
        "container": "app",
        "reason": "OOMKilled",
        "message": "exit code 137, OOMKilled",
        "restarts": 1,
        "ignored": True,
        "fault_at": datetime(2026, 11, 24, 9, 59, tzinfo=UTC),
        "observed_at": NOW,
    }


@pytest.mark.parametrize(
    ("metadata", "ignored"),
    [
        pytest.param({"labels": {"prunella.dev/ignore": "true"}}, True, id="by label"),
        pytest.param({"annotations": {"prunella.dev/ignore": "true"}}, True, id="by annotation"),
        pytest.param(
            {"labels": {"prunella.dev/ignore": "false"}, "annotations": None}, False, id="not when it says false"
        ),
        pytest.param({"ownerReferences": None}, False, id="a bare pod"),
    ],
)
def test_opting_out(metadata, ignored):
    (signal,), _ = detect_faults(msgspec.convert(view(app(0, OOM), **metadata), Pod), (), NOW)

    assert signal.ignored is ignored


def test_a_termination_message_never_leaves_the_pod():
    end = ended()
    end["terminated"]["message"] = "password=hunter2"
    (signal,), _ = detect_faults(msgspec.convert(view(app(1, end, ended())), Pod), (), NOW)

    assert "hunter2" not in signal.model_dump_json()


def test_a_command_that_a_kubelet_quotes_is_redacted():
    waiting = {"waiting": {"reason": "CreateContainerError", "message": "cannot run app --password=hunter2"}}
    (signal,), _ = detect_faults(msgspec.convert(view(app(0, waiting)), Pod), (), NOW)
    assert signal.message == "cannot run app --password=***"
