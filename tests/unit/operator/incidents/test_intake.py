"""Signals to Incidents, once each. The real API server's part is in tests/integration."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from fakes.apiserver import eventually
from fakes.kube import FakeRest, failing
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template, owned_by

from prunella_operator import clock
from prunella_operator.incidents import intake
from prunella_operator.incidents.intake import Intake
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_operator.tasks import end
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Forbidden, Unavailable
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import OwnerRef, Signal

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OWNER = OwnerRef(api_version="apps/v1", kind="ReplicaSet", name="web-hash1", uid="uid-rs-1")
HEAL = {"prunella.dev/heal": "enabled"}
INCIDENTS = paths.incidents("shop")


class Moment:
    def __init__(self):
        self.now = NOW

    def passes(self, **time):
        self.now += timedelta(**time)


@pytest.fixture
def moment(monkeypatch):
    moment = Moment()
    monkeypatch.setattr(clock, "now", lambda: moment.now)
    return moment


@pytest.fixture
def rest():
    rest = FakeRest()
    pods = [a_pod("web-a"), a_pod("web-b")]
    a_cluster(rest.kube, a_deployment(a_template(1)), [a_replica_set(1)], pods)
    return rest


@pytest.fixture
def opener(rest, moment):
    return Intake(rest, ("prunella-system",))


def a_signal(name="web-a", owner=OWNER, **values):
    return Signal(
        **{
            "source": "pods",
            "type": IncidentType.POD_CRASH_LOOP,
            "namespace": "shop",
            "kind": "Pod",
            "name": name,
            "uid": f"uid-{name}",
            "owner": owner,
            "container": "app",
            "reason": "CrashLoopBackOff",
            "restarts": 3,
            "observed_at": NOW,
            **values,
        }
    )


def of_deployment(**values):
    return a_signal("web", None, kind="Deployment", uid=WEB.uid, container="", **values)


def incidents(rest):
    return [incident for path, incident in rest.kube.objects.items() if path.startswith(INCIDENTS)]


def close(rest, phase, at=NOW):
    (last,) = [incident for incident in incidents(rest) if "status" not in incident]
    last["status"] = {"phase": phase, "times": {"closedAt": at.isoformat()}}


# What is opened


async def test_an_incident_says_what_was_seen_and_when(opener, rest):
    assert await opener.open(a_signal(fault_at=NOW - timedelta(seconds=2))) == "opened"
    (incident,) = incidents(rest)
    assert incident["spec"] == {
        "type": "PodCrashLoop",
        "severity": "High",
        "description": "Pod web-a: CrashLoopBackOff in container app after 3 restart(s)",
        "containerName": "app",
        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    }
    marks = incident["metadata"]["annotations"]
    assert marks[labels.DETECTED_AT] == NOW.isoformat()
    assert marks[labels.FAULT_AT] == (NOW - timedelta(seconds=2)).isoformat()
    assert incident["metadata"]["labels"] == {labels.WORKLOAD: workload_key(WEB), labels.SOURCE: "pods"}


@pytest.mark.parametrize("second", [a_signal("web-b"), of_deployment(), a_signal(type=IncidentType.OOM_KILLED)])
async def test_everything_about_one_workload_is_one_incident(opener, rest, second):
    assert await opener.open(a_signal()) == "opened"
    assert await opener.open(second) == "joined"
    assert len(incidents(rest)) == 1


async def test_two_replicas_that_see_the_same_create_it_once(rest, moment):
    """Both have looked before either has written: the name makes them one."""
    first, second = Intake(rest), Intake(rest)
    rest.kube.list = lambda *_, **__: iter(())
    answers = [await first.open(a_signal()), await second.open(a_signal("web-b"))]
    assert answers == ["opened", "joined"]
    assert len(incidents(rest)) == 1


@pytest.mark.parametrize(
    ("owner", "address"),
    [
        (None, {"podName": "web-a"}),
        (OwnerRef(api_version="v1", kind="Node", name="n", uid="u"), {"podName": "web-a"}),
        (OwnerRef(api_version="argoproj.io/v1alpha1", kind="Workflow", name="w", uid="u"), {"podName": "web-a"}),
        (OwnerRef(api_version="apps.kruise.io/v1", kind="StatefulSet", name="s", uid="u"), {"podName": "web-a"}),
    ],
)
async def test_a_pod_of_nobody_we_know_stands_for_itself(opener, rest, owner, address):
    await opener.open(a_signal(owner=owner))
    (incident,) = incidents(rest)
    assert {key: incident["spec"].get(key) for key in ("podName", "target")} == {"target": None, **address}


async def test_a_pod_of_a_job_is_about_the_job(opener, rest):
    rest.kube.put("/apis/batch/v1/namespaces/shop/jobs/report", {"metadata": {"namespace": "shop"}})
    await opener.open(a_signal(owner=OwnerRef(api_version="batch/v1", kind="Job", name="report", uid="uid-report")))
    assert incidents(rest)[0]["spec"]["target"] == {"apiVersion": "batch/v1", "kind": "Job", "name": "report"}


async def test_the_pods_of_a_rollout_are_about_its_replica_set(opener, rest):
    """A Rollout's pods have a ReplicaSet, the last owner that we know: one incident per revision, not per pod."""
    rollout = owned_by("argoproj.io/v1alpha1", "Rollout", "web", "uid-rollout")
    path = f"{paths.collection('ReplicaSet', 'shop')}/web-hash1"
    rest.kube.put(path, a_replica_set(1, ownerReferences=[rollout]))
    await opener.open(a_signal())
    await opener.open(a_signal("web-b"))
    (incident,) = incidents(rest)
    assert incident["spec"]["target"] == {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-hash1"}


async def test_what_vanished_meanwhile_needs_nobody(opener, rest):
    assert await opener.open(a_signal(owner=OWNER.model_copy(update={"uid": "uid-before"}))) == "gone"
    assert await opener.open(a_signal("web-z", None)) == "gone"
    assert incidents(rest) == []


@pytest.mark.parametrize("name", ["w" * 253, "web" + "." * 3, "w" * 49 + "." + "w" * 20])
async def test_any_name_of_a_workload_makes_a_name_of_an_incident(rest, moment, name):
    rest.kube.put(
        f"{paths.collection('Deployment', 'shop')}/{name}",
        {**a_deployment(), "metadata": {"namespace": "shop", "uid": "u", "name": name}},
    )
    await Intake(rest).open(a_signal(name, None, kind="Deployment", uid="u"))
    made = incidents(rest)[0]["metadata"]["name"]
    assert len(made) <= 63
    assert ".-" not in made


class Rounds:
    """A client that answers in rounds: all requests made before a round ends are answered together."""

    def __init__(self, rest):
        self.rest = rest
        self.pending = []

    def __getattr__(self, name):
        async def call(*args, **values):
            answer = asyncio.get_running_loop().create_future()
            self.pending.append(answer)
            await answer
            return await getattr(self.rest, name)(*args, **values)

        return call


async def test_an_incident_is_four_round_trips_away(rest, moment):
    """ReplicaSet and namespace; Deployment and earlier incidents; policies; the new one."""
    slow, rounds = Rounds(rest), 0
    opening = asyncio.create_task(Intake(slow).open(a_signal()))
    while not opening.done():
        for _ in range(20):
            await asyncio.sleep(0)
        asked, slow.pending = slow.pending, []
        rounds += bool(asked)
        for future in asked:
            future.set_result(None)
    assert (await opening, rounds) == ("opened", 4)


async def test_a_job_that_failed_is_about_the_job_or_its_cron_job(opener, rest):
    path = "/apis/batch/v1/namespaces/shop"
    rest.kube.put(f"{path}/jobs/report", {"metadata": {"namespace": "shop"}})
    rest.kube.put(f"{path}/cronjobs/nightly", {"metadata": {"namespace": "shop"}})
    owner = OwnerRef(api_version="batch/v1", kind="CronJob", name="nightly", uid="uid-nightly")
    await opener.open(a_signal("report", None, kind="Job", container=""))
    await opener.open(a_signal("nightly-1", owner, kind="Job", container=""))
    kinds = [incident["spec"]["target"] for incident in incidents(rest)]
    assert kinds == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "report"},
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly"},
    ]


# What is joined


@pytest.mark.parametrize("phase", ["Pending", "Confirming", "AwaitingApproval", "Repairing", "Verifying"])
async def test_a_signal_joins_an_open_incident(opener, rest, phase):
    await opener.open(a_signal())
    incidents(rest)[0]["status"] = {"phase": phase}
    assert await opener.open(a_signal()) == "joined"


LASTING = ["Escalated", "DryRunDone", "Cancelled"]


@pytest.mark.parametrize("phase", LASTING)
async def test_a_fault_that_goes_on_is_not_told_twice(opener, rest, moment, phase):
    await opener.open(a_signal())
    close(rest, phase)
    for _ in range(20):  # the kubelet tries again every five minutes
        moment.passes(minutes=5)
        assert await opener.open(a_signal()) == "joined"


@pytest.mark.parametrize("phase", LASTING)
async def test_a_restart_of_ours_does_not_tell_it_again(opener, rest, moment, phase):
    await opener.open(a_signal())
    close(rest, phase)
    for _ in range(3):
        moment.passes(hours=1)
        assert await Intake(rest).open(a_signal()) == "joined"


@pytest.mark.parametrize("phase", ["Failed", "Suppressed"])
async def test_what_nobody_was_told_of_is_tried_again_after_a_while(opener, rest, moment, phase):
    await opener.open(a_signal())
    close(rest, phase)
    moment.passes(minutes=30)
    assert await opener.open(a_signal()) == "joined"
    moment.passes(seconds=1)
    assert await opener.open(a_signal()) == "opened"


async def test_after_the_workload_has_recovered_it_is_another_fault(opener, rest):
    await opener.open(a_signal())
    close(rest, "Escalated")
    incidents(rest)[0]["metadata"]["annotations"][labels.RECOVERED_AT] = NOW.isoformat()
    assert await opener.open(a_signal()) == "opened"


@pytest.mark.parametrize(("ended", "outcome"), [("Recovered", "opened"), ("Acknowledged", "joined"), ("", "joined")])
async def test_after_the_all_clear_it_is_another_fault(opener, rest, ended, outcome):
    await opener.open(a_signal())
    close(rest, "Escalated")
    incidents(rest)[0]["status"]["escalation"] = {"ended": ended}
    assert await opener.open(a_signal()) == outcome


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (IncidentType.OOM_KILLED, "joined"),
        (IncidentType.UNAVAILABLE, "joined"),
        (IncidentType.IMAGE_PULL_FAILURE, "opened"),
        (IncidentType.HIGH_CPU, "opened"),
    ],
)
async def test_later_on_a_symptom_of_another_kind_is_another_fault(opener, rest, moment, kind, outcome):
    await opener.open(a_signal())
    close(rest, "Escalated")
    moment.passes(hours=1)
    assert await opener.open(a_signal(type=kind)) == outcome


async def test_two_faults_that_go_on_are_told_once_each(opener, rest, moment):
    await opener.open(a_signal())
    close(rest, "Escalated")
    moment.passes(hours=1)
    await opener.open(a_signal(type=IncidentType.IMAGE_PULL_FAILURE))
    close(rest, "Escalated")
    moment.passes(hours=1)
    assert await opener.open(a_signal()) == "joined"
    assert await opener.open(a_signal(type=IncidentType.IMAGE_PULL_FAILURE)) == "joined"


@pytest.mark.parametrize("phase", ["Healed", "Recovered"])
async def test_after_it_was_mended_it_is_another_fault(opener, rest, phase):
    await opener.open(a_signal())
    close(rest, phase)
    assert await opener.open(a_signal()) == "opened"
    assert len({incident["metadata"]["name"] for incident in incidents(rest)}) == 2


@pytest.mark.parametrize(("before", "outcome"), [(1, "joined"), (0, "joined"), (-1, "opened")])
async def test_a_fault_from_before_the_repair_is_old_news(opener, rest, before, outcome):
    """An operator that was away reads of a crash only when the repair has healed it already."""
    await opener.open(a_signal())
    close(rest, "Healed")
    (incident,) = incidents(rest)
    incident["status"]["times"]["repairedAt"] = NOW.isoformat()
    assert await opener.open(a_signal(fault_at=NOW - timedelta(seconds=before))) == outcome


async def test_what_never_was_repaired_has_no_old_news(opener, rest):
    await opener.open(a_signal())
    close(rest, "Recovered")
    assert await opener.open(a_signal(fault_at=NOW - timedelta(minutes=1))) == "opened"


async def test_another_template_is_another_fault(opener, rest):
    await opener.open(a_signal())
    close(rest, "Escalated")
    rest.kube.objects[paths.workload(WEB)]["spec"]["template"] = a_template(2)
    assert await opener.open(a_signal()) == "opened"


@pytest.mark.parametrize(
    ("action", "left", "outcome"),
    [
        pytest.param("uid-1-run-1-undo", 2, "joined", id="our undo put it back"),
        pytest.param("uid-1-run-1", 2, "opened", id="a repair"),
        pytest.param("uid-1-run-1-undo", 3, "opened", id="someone has changed it since"),
    ],
)
async def test_what_our_undo_puts_back_is_no_other_fault(opener, rest, action, left, outcome):
    await opener.open(a_signal())
    close(rest, "Escalated")
    workload = rest.kube.objects[paths.workload(WEB)]
    before, after = (template_hash(each) for each in (workload["spec"]["template"], a_template(left)))
    marks = {labels.LAST_ACTION: action, labels.BEFORE: f"web-prunella-{before}", labels.AFTER: after}
    workload["metadata"]["annotations"] = marks
    workload["spec"]["template"] = a_template(2)
    assert await opener.open(a_signal()) == outcome


async def test_a_restart_or_a_scaling_is_the_same_fault(opener, rest):
    await opener.open(a_signal())
    close(rest, "Escalated")
    spec = rest.kube.objects[paths.workload(WEB)]["spec"]
    spec["replicas"] = 5
    spec["template"] = a_template(1, annotations={"kubectl.kubernetes.io/restartedAt": "now"})
    assert await opener.open(a_signal()) == "joined"


async def test_leave_to_heal_makes_it_another_fault(opener, rest):
    await opener.open(a_signal())
    close(rest, "DryRunDone")
    rest.kube.objects["/api/v1/namespaces/shop"]["metadata"]["labels"] = dict(HEAL)
    assert await opener.open(a_signal()) == "opened"


def put_policy(rest, namespace, name="p", generation=1, **spec):
    meta = {"name": name, "uid": f"uid-{namespace}-{name}", "generation": generation}
    rest.kube.put(f"{paths.policies(namespace)}/{name}", {"metadata": meta, "spec": spec})


@pytest.mark.parametrize(
    ("namespace", "spec", "outcome"),
    [
        pytest.param("shop", {"mode": "Heal"}, "opened", id="of the namespace"),
        pytest.param("shop", {"selector": {"matchLabels": {"tier": "web"}}}, "opened", id="for this workload"),
        pytest.param("shop", {"selector": {"matchLabels": {"tier": "db"}}}, "joined", id="for another workload"),
        pytest.param("bank", {"mode": "Heal"}, "joined", id="of another namespace"),
        pytest.param("", {"mode": "Heal"}, "opened", id="of the cluster"),
        pytest.param("", {"namespaceSelector": {"matchLabels": {"team": "shop"}}}, "opened", id="for this namespace"),
        pytest.param("", {"namespaceSelector": {"matchLabels": {"team": "bank"}}}, "joined", id="for other namespaces"),
    ],
)
async def test_a_new_policy_makes_it_another_fault_if_it_is_for_it(opener, rest, namespace, spec, outcome):
    rest.kube.objects["/api/v1/namespaces/shop"]["metadata"]["labels"] = {"team": "shop"}
    rest.kube.objects[paths.workload(WEB)]["metadata"]["labels"] = {"tier": "web"}
    await opener.open(a_signal())
    close(rest, "DryRunDone")
    put_policy(rest, namespace, **spec)
    assert await opener.open(a_signal()) == outcome


async def test_a_changed_policy_makes_it_another_fault_once(opener, rest):
    put_policy(rest, "shop", mode="Observe")
    await opener.open(a_signal())
    close(rest, "DryRunDone")
    assert await opener.open(a_signal()) == "joined"
    put_policy(rest, "shop", generation=2, mode="Heal")
    assert await opener.open(a_signal()) == "opened"


async def test_nobody_reads_policies_while_an_incident_is_open(opener, rest):
    await opener.open(a_signal())
    rest.kube.requests.clear()
    assert await opener.open(a_signal()) == "joined"
    assert [path for _, path in rest.kube.requests if "policies" in path] == []


async def test_policies_may_be_a_moment_old_and_earlier_incidents_may_not(rest, opener, monkeypatch):
    asked, listed = {}, rest.list

    def listening(path, params=None, **values):
        asked[path.rsplit("/", 1)[-1]] = (params or {}).get("resourceVersion")
        return listed(path, params, **values)

    monkeypatch.setattr(rest, "list", listening)
    await opener.open(a_signal())
    assert asked == {"incidents": None, "clusterhealingpolicies": "0", "healingpolicies": "0"}


def by_hand(rest, phase=None, **spec):
    spec = {"type": "Other", "target": {"kind": "Deployment", "name": "web"}, **spec}
    meta = {"namespace": "shop", "creationTimestamp": "2026-11-24T11:59:00Z"}
    status = {"phase": phase, "target": "Deployment/web"} if phase else {}
    rest.kube.put(f"{INCIDENTS}/by-hand", {"metadata": meta, "spec": spec}, **status)


async def test_an_incident_that_a_person_opened_is_joined(opener, rest):
    by_hand(rest)
    assert await opener.open(a_signal()) == "joined"


async def test_one_that_a_person_opened_for_a_pod_is_joined_once_its_workload_is_known(opener, rest):
    by_hand(rest, "Confirming", target=None, podName="web-a")
    assert await opener.open(a_signal()) == "joined"


@pytest.mark.parametrize(
    "spec", [{"mode": "DryRun"}, {"target": {"kind": "Deployment", "name": "db"}}, {"target": None, "podName": "db-0"}]
)
async def test_one_that_will_not_heal_this_workload_is_not_joined(opener, rest, spec):
    by_hand(rest, **spec)
    assert await opener.open(a_signal()) == "opened"


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"mode": "DryRun"}, id="only shows"),
        pytest.param({"target": {"kind": "Deployment", "name": "db"}}, id="about another workload"),
    ],
)
async def test_a_forged_label_joins_nothing(opener, rest, spec):
    by_hand(rest, **spec)
    rest.kube.objects[f"{INCIDENTS}/by-hand"]["metadata"]["labels"] = {labels.WORKLOAD: workload_key(WEB)}
    assert await opener.open(a_signal()) == "opened"


@pytest.mark.parametrize("forged", [{}, {labels.WORKLOAD: workload_key(WEB)}])
async def test_who_takes_the_name_of_an_incident_does_not_stop_it(opener, rest, forged):
    await opener.open(a_signal())
    (incident,) = incidents(rest)
    incident["spec"] = {"type": "Other", "mode": "DryRun", "target": {"kind": "Deployment", "name": "db"}}
    incident["metadata"]["labels"] = forged
    assert await opener.open(a_signal()) == "opened"
    assert len(incidents(rest)) == 2
    assert await opener.open(a_signal()) == "joined"


async def test_after_a_persons_incident_the_next_has_a_name_of_its_own(opener, rest):
    by_hand(rest, "Healed")
    assert await opener.open(a_signal()) == "opened"
    assert len(incidents(rest)) == 2


# What is left alone


@pytest.mark.parametrize("marks", ["labels", "annotations"])
@pytest.mark.parametrize("where", [paths.workload(WEB), "/api/v1/namespaces/shop"])
async def test_what_asked_to_be_left_alone_is(opener, rest, where, marks):
    rest.kube.objects[where]["metadata"][marks] = {"prunella.dev/ignore": "true"}
    assert await opener.open(a_signal()) == "ignored"
    assert incidents(rest) == []


@pytest.mark.parametrize(
    "signal",
    [
        a_signal(ignored=True),
        a_signal(namespace="kube-system"),
        a_signal(namespace="kube-anything"),
        a_signal(namespace="prunella-system"),
    ],
)
async def test_a_protected_namespace_or_an_ignored_pod_costs_nothing(opener, rest, signal):
    opener.accept(signal)
    assert (opener.backlog, rest.kube.requests) == (0, [])


# The queue


@pytest.fixture
async def running(opener):
    task = asyncio.create_task(opener.run())
    yield opener
    await end(task)


async def test_signals_of_one_owner_that_wait_together_are_one(opener, rest):
    opener.accept(a_signal())
    opener.accept(a_signal("web-b"))
    assert opener.backlog == 1


async def test_a_signal_is_taken_and_stored(running, rest):
    running.accept(a_signal())
    await eventually(lambda: incidents(rest) and running.backlog == 0)


async def test_while_the_server_is_away_it_waits_and_nothing_is_lost(running, rest, monkeypatch):
    monkeypatch.setattr(intake, "_BACKOFF_SECONDS", (0.01, 0.02))
    rest.kube.before = failing(Unavailable("away"), times=7)
    running.accept(a_signal())
    await eventually(lambda: incidents(rest) and running.backlog == 0)
    assert len(incidents(rest)) == 1


async def test_what_we_may_not_store_does_not_stop_the_others(running, rest):
    rest.kube.before = failing(Forbidden("no"), method="POST")
    rest.kube.put("/apis/batch/v1/namespaces/shop/jobs/report", {"metadata": {"namespace": "shop"}})
    running.accept(a_signal())
    await eventually(lambda: running.backlog == 0)
    running.accept(a_signal(owner=OwnerRef(api_version="batch/v1", kind="Job", name="report", uid="uid-report")))
    await eventually(lambda: len(incidents(rest)) == 1)


async def test_one_at_a_time_per_owner(running, rest):
    """A second signal that comes while the first is being stored must see its incident."""
    running.accept(a_signal())
    await asyncio.sleep(0)
    running.accept(a_signal("web-b"))
    await eventually(lambda: running.backlog == 0)
    assert len(incidents(rest)) == 1
