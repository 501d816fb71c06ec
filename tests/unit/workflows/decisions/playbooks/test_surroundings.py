"""Causes around the workload: the guilty object is named, and nothing is written."""

import pytest
from builders import (
    a_container,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_policy,
    a_restarted_container,
    a_revision,
    a_termination,
    a_waiting_container,
    ago,
    an_attempt,
    an_evidence,
    an_unavailable_deployment,
    the_history,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.model.evidence import EventView, LogTail
from prunella_workflows.model.neighbours import DependencyView, NodeView
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.workload import WorkloadRef

GOOD = the_history(good_at=ago(60))
FIRST = (a_revision(2, current=True),)
NEEDS_SECRET = a_waiting_container("CreateContainerConfigError", message='secret "token" not found')
NO_KEY = a_waiting_container("CreateContainerConfigError", message="couldn't find key URL in ConfigMap shop/web")
NO_IMAGE = a_waiting_container(
    "ImagePullBackOff", message='Back-off pulling image "registry.example/web:2": ErrImagePull: manifest unknown'
)
CRASHING = a_pod("web-2-a", a_crashing_container())
STARTING = {"ready": False, "ready_since": None, "phase": "Pending"}


def refused(message):
    """The API server has refused the pods for a while."""
    return a_deployment(create_failure=message, create_failed_since=ago(120), total_replicas=2, ready_replicas=2)


def stuck(reason, message):
    """A pod whose containers cannot be created, by the kubelet's Event."""
    pod = a_pod("web-2-a", a_waiting_container("ContainerCreating"), **STARTING)
    return an_evidence(pod, revisions=GOOD, events=(EventView(about="web-2-a", reason=reason, message=message),))


def without_node(message):
    return a_pod("web-2-a", a_waiting_container(""), **STARTING, node="", unschedulable=message, created_at=ago(300))


def says(line, revisions=GOOD, **values):
    """A crash with last words."""
    logs = (LogTail(pod="web-2-a", container="app", lines=(line,)),)
    return an_evidence(CRASHING, revisions=revisions, logs=logs, **values)


@pytest.mark.parametrize(
    ("evidence", "cause", "target", "step"),
    [
        pytest.param(
            an_evidence(a_pod("web-2-a", NEEDS_SECRET), revisions=GOOD),
            Cause.CONFIG_MISSING,
            "Secret/token",
            "kubectl describe secret token -n shop",
            id="a Secret that is gone",
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a", NEEDS_SECRET), revisions=FIRST),
            Cause.CONFIG_MISSING,
            "Secret/token",
            "kubectl describe secret token -n shop",
            id="a Secret that the first release refers to",
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a", NO_KEY), revisions=GOOD),
            Cause.CONFIG_MISSING,
            "ConfigMap/web (key URL)",
            "kubectl describe configmap web -n shop",
            id="a key that is gone",
        ),
        pytest.param(
            stuck("FailedMount", 'MountVolume.SetUp failed for volume "certs" : secret "certs" not found'),
            Cause.CONFIG_MISSING,
            "Secret/certs",
            "kubectl describe secret certs -n shop",
            id="a Secret that is to be mounted",
        ),
        pytest.param(
            stuck("FailedMount", 'MountVolume.SetUp failed for volume "c" : references non-existent config key: url'),
            Cause.CONFIG_MISSING,
            "volume c (key url)",
            "kubectl describe Deployment/web -n shop",
            id="a key that is to be mounted, of an object that the kubelet does not name",
        ),
        pytest.param(
            an_evidence(
                workload=refused(
                    'pods "web-" is forbidden: error looking up service account: serviceaccount "x" not found'
                ),
                revisions=GOOD,
            ),
            Cause.CONFIG_MISSING,
            "ServiceAccount/x",
            "kubectl describe serviceaccount x -n shop",
            id="a ServiceAccount that is gone",
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a", NO_IMAGE), revisions=GOOD),
            Cause.IMAGE_UNAVAILABLE,
            "registry.example/web:2",
            "kubectl describe pod web-2-a -n shop",
            id="an image that was deleted",
        ),
        pytest.param(
            an_evidence(workload=refused('pods "web-x" is forbidden: exceeded quota: team, requested: pods=1')),
            Cause.QUOTA_EXCEEDED,
            "ResourceQuota/team",
            "kubectl describe resourcequota team -n shop",
            id="a quota",
        ),
        pytest.param(
            an_evidence(
                workload=refused('Internal error occurred: failed calling webhook "check.example.org": refused')
            ),
            Cause.ADMISSION_REFUSED,
            "Webhook/check.example.org",
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
            id="a webhook that does not answer",
        ),
        pytest.param(
            an_evidence(workload=refused('admission webhook "policy.example.org" denied the request: no')),
            Cause.ADMISSION_REFUSED,
            "Webhook/policy.example.org",
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
            id="a webhook that refuses",
        ),
        pytest.param(
            an_evidence(workload=refused('pods "web-x" is forbidden: violates PodSecurity "restricted:latest"')),
            Cause.ADMISSION_REFUSED,
            "Namespace/shop",
            "kubectl get namespace shop --show-labels",
            id="Pod Security",
        ),
        pytest.param(
            an_evidence(without_node("0/3 nodes are available: 3 Insufficient memory."), revisions=GOOD),
            Cause.UNSCHEDULABLE,
            "the nodes",
            "kubectl describe pod web-2-a -n shop",
            id="full nodes",
        ),
        pytest.param(
            an_evidence(
                without_node(
                    "0/1 nodes are available: 1 had untolerated taint {node.kubernetes.io/memory-pressure: }."
                ),
                revisions=GOOD,
            ),
            Cause.NODE_PRESSURE,
            "the nodes",
            "kubectl describe nodes",
            id="nodes that take no pods because they are short of memory",
        ),
        pytest.param(
            an_evidence(
                a_pod("web-2-a", phase="Failed", evicted="The node was low on resource: memory.", evicted_at=ago(200)),
                without_node("0/1 nodes are available: 1 Insufficient memory."),
                revisions=GOOD,
            ),
            Cause.NODE_PRESSURE,
            "Node/node-a",
            "kubectl describe node node-a",
            id="an eviction",
        ),
        pytest.param(
            an_evidence(
                a_pod("web-2-a", ready=False, unready_since=ago(120), ready_since=None),
                revisions=GOOD,
                nodes=(NodeView(name="node-a", pressure=("DiskPressure",)),),
            ),
            Cause.NODE_PRESSURE,
            "Node/node-a",
            "kubectl describe node node-a",
            id="a node that reports pressure",
        ),
        pytest.param(
            stuck("FailedCreatePodSandBox", 'Failed to create pod sandbox: plugin type="calico" failed (add): refused'),
            Cause.SANDBOX_FAILED,
            "Node/node-a",
            "--field-selector spec.nodeName=node-a",
            id="a network plugin that fails",
        ),
        pytest.param(
            stuck("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) other'),
            Cause.VOLUME_UNAVAILABLE,
            "volume pvc-1",
            "kubectl get pvc,volumeattachments -n shop",
            id="a volume that another pod holds",
        ),
        pytest.param(
            says("dial tcp: lookup ledger on 10.96.0.10:53: no such host"),
            Cause.DEPENDENCY_DOWN,
            "Service/ledger",
            "kubectl get endpointslices -n shop -l kubernetes.io/service-name=ledger",
            id="a Service that does not exist",
        ),
        pytest.param(
            says(
                "dial tcp 10.0.0.9:8080: connect: connection refused",
                dependencies=(
                    DependencyView(
                        ref=WorkloadRef(kind="Deployment", namespace="shop", name="ledger"),
                        known_by="the log of container app names Service ledger",
                        service="ledger",
                        available=1,
                    ),
                ),
            ),
            Cause.DEPENDENCY_DOWN,
            "Service/ledger",
            "kubectl get endpointslices -n shop -l kubernetes.io/service-name=ledger",
            id="a Service whose pods run and do not answer",
        ),
        pytest.param(
            says('could not translate host name "db.example.org" to address'),
            Cause.DEPENDENCY_DOWN,
            "db.example.org",
            "Check db.example.org",
            id="a host outside of the cluster",
        ),
        pytest.param(
            an_evidence(
                a_pod("web-2-a", ready=False, unready_since=ago(120), ready_since=None),
                revisions=GOOD,
                workload=a_deployment(probe_hosts=("10.0.0.9",)),
                events=(
                    EventView(
                        about="web-2-a",
                        reason="Unhealthy",
                        message='Readiness probe failed: Get "http://10.0.0.9/": context deadline exceeded',
                        at=ago(60),
                    ),
                ),
            ),
            Cause.DEPENDENCY_DOWN,
            "10.0.0.9",
            "Check 10.0.0.9",
            id="another host that the probe asks",
        ),
        pytest.param(
            says("KeyError: 'DB_URL'", workload=a_deployment(references=("ConfigMap/web",))),
            Cause.CONFIG_MISSING,
            "ConfigMap/web (key DB_URL)",
            "kubectl describe configmap/web -n shop",
            id="a variable that a program had before",
        ),
    ],
)
def test_the_guilty_object_is_named_and_nothing_is_written(evidence, cause, target, step):
    diagnosis, plan = decide(Findings(evidence), a_policy())
    assert (diagnosis.cause, plan.steps) == (cause, ())
    assert diagnosis.caused_by is not None
    assert diagnosis.caused_by.target == target
    assert step in plan.next_step
    assert plan.reason == "".join(part.capitalize() for part in cause.split("_"))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("ErrImagePull: manifest for registry.example/web:2 not found: manifest unknown", "it does not exist"),
        ("dial tcp 10.1.1.1:443: i/o timeout", "its registry registry.example does not answer"),
        ("received unexpected HTTP status: 503 Service Unavailable", "its registry registry.example does not answer"),
        ("pull access denied, repository does not exist", "its registry registry.example refuses it"),
    ],
)
def test_an_image_that_does_not_exist_is_not_a_registry_that_does_not_answer(message, words):
    status = a_waiting_container("ErrImagePull", message=message)
    evidence = an_evidence(a_pod("web-2-a", status), workload=a_deployment(a_container()), revisions=GOOD)
    assert words in decide(Findings(evidence), a_policy())[0].message


def test_during_the_back_off_the_events_have_the_registry_s_answer():
    status = a_waiting_container("ImagePullBackOff", message='Back-off pulling image "registry.example/web:2"')
    event = EventView(about="web-2-a", reason="Failed", message="Failed to pull image: 502 Bad Gateway")
    evidence = an_evidence(a_pod("web-2-a", status), revisions=GOOD, events=(event,))
    assert "does not answer" in decide(Findings(evidence), a_policy())[0].message


@pytest.mark.parametrize(
    ("container", "cause"),
    [
        pytest.param(NO_IMAGE, Cause.BAD_RELEASE, id="an image"),
        pytest.param(NEEDS_SECRET, Cause.BAD_RELEASE, id="a reference"),
        pytest.param(a_crashing_container(), Cause.BAD_RELEASE, id="a crash"),
    ],
)
def test_a_release_that_an_earlier_one_shows_to_be_bad_is_still_rolled_back(container, cause):
    workload = an_unavailable_deployment()
    evidence = an_evidence(a_pod("web-2-a", container), revisions=the_history(), workload=workload)
    diagnosis, plan = decide(Findings(evidence), a_policy())
    assert (diagnosis.cause, [step.action.kind for step in plan.steps]) == (cause, ["RestoreTemplate"])


def test_an_eviction_of_yesterday_explains_nothing():
    old = a_pod("web-2-z", phase="Failed", evicted="The node was low on resource: memory.", evicted_at=ago(86400))
    evidence = an_evidence(old, without_node("0/1 nodes are available: 1 Insufficient memory."), revisions=GOOD)
    assert decide(Findings(evidence), a_policy())[0].cause is Cause.UNSCHEDULABLE


def test_a_pod_that_ran_and_crashed_is_not_explained_by_a_quota_that_another_waits_for():
    evidence = an_evidence(CRASHING, workload=refused("exceeded quota: team"), revisions=GOOD)
    assert decide(Findings(evidence), a_policy())[0].cause is Cause.ENVIRONMENT_CHANGED


def test_a_pod_that_runs_between_two_crashes_proves_nothing():
    crash = a_termination(exit_code=1, finished_at=ago(20))
    flapping = a_pod("web-2-a", a_restarted_container(last=crash, running_since=ago(15)), ready_since=ago(12))
    evidence = an_evidence(flapping, revisions=GOOD, opened_at=ago(30))
    assert decide(Findings(evidence), a_policy())[0].cause is Cause.ENVIRONMENT_CHANGED


def test_a_rollback_that_did_not_help_acquits_the_release():
    tried = (an_attempt(action="RestoreTemplate", verdict="NotHealed", undone=True),)
    evidence = an_evidence(
        CRASHING, revisions=the_history(), workload=an_unavailable_deployment(replicas=1, references=("Secret/token",))
    )
    diagnosis, plan = decide(Findings(evidence), a_policy(), tried)
    assert (diagnosis.cause, plan.reason) == (Cause.ENVIRONMENT_CHANGED, "RollbackDidNotHelp")
    assert "a rollback did not help" in {one.reason for one in diagnosis.rejected if one.cause is Cause.BAD_RELEASE}
    assert "kubectl get secret/token -n shop" in plan.next_step


def test_after_a_rollback_that_did_not_help_the_words_of_the_program_count():
    tried = (an_attempt(action="RestoreTemplate", verdict="NotHealed", undone=True),)
    evidence = says("connect ECONNREFUSED ledger", the_history(), workload=an_unavailable_deployment())
    diagnosis, plan = decide(Findings(evidence), a_policy(), tried)
    assert (diagnosis.cause, plan.reason) == (Cause.DEPENDENCY_DOWN, "DependencyDown")


def test_one_pod_of_several_that_fails_while_others_begin_to_run_is_its_own_trouble():
    others = a_pod("web-2-b", a_container_status(running_since=ago(100)))
    evidence = an_evidence(CRASHING, others, revisions=GOOD)
    assert decide(Findings(evidence), a_policy())[0].cause is Cause.POD_CRASH_LOOP


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("KeyError: 'DB_URL'", "kubectl set env Deployment/web -c app -n shop DB_URL=VALUE"),
        ("missing required environment variable DB_URL", "Set DB_URL"),
        ("panic: DB_URL is not set", "Set DB_URL"),
        ("entrypoint.sh: line 3: DB_URL: unbound variable", "Set DB_URL"),
        ("Could not resolve placeholder 'DB_URL' in value", "Set DB_URL"),
        ("ERROR: required argument", "kubectl logs web-2-a -c app -n shop --previous"),
    ],
)
def test_a_first_release_that_is_broken_is_a_bad_release(line, step):
    diagnosis, plan = decide(Findings(says(line, FIRST)), a_policy())
    assert (diagnosis.cause, plan.steps, plan.reason) == (Cause.BAD_RELEASE, (), "NoKnownGoodRevision")
    assert step in plan.next_step


def test_a_failing_container_that_is_not_in_the_template_is_named():
    injected = a_pod("web-2-a", a_crashing_container("mesh"))
    diagnosis, _ = decide(Findings(an_evidence(injected, revisions=GOOD)), a_policy())
    assert (diagnosis.cause, diagnosis.caused_by.target) == (Cause.ENVIRONMENT_CHANGED, "container mesh")
    ours = decide(Findings(an_evidence(CRASHING, revisions=GOOD)), a_policy())[0]
    assert ours.caused_by is None
