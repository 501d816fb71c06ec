"""confirm and verify: no data is never health, a relapse fails at once, and health must hold."""

from datetime import timedelta

import pytest
from builders import (
    NOW,
    WEB,
    a_brief,
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
    an_expectation,
    an_oom_kill,
    an_unavailable_deployment,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.verification.baseline import measure_baseline
from prunella_workflows.decisions.verification.confirmation import confirm
from prunella_workflows.decisions.verification.verification import discount_node_loss, verify
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.neighbours import NodeView
from prunella_workflows.model.outcome import Baseline, Judgement, Presence, Verdict
from prunella_workflows.model.plan import Settle

CRASHING = a_pod("web-2-a", a_crashing_container(last=a_termination(finished_at=ago(400))))
RESTARTED = a_pod("web-2-a", a_restarted_container(last=a_termination(finished_at=ago(400))))
NOT_READY = a_pod("web-2-a", a_container_status(ready=False))
ZERO = a_deployment(replicas=0)
RECOVERED_TWICE = tuple(a_brief(f"web-{n}", phase=Phase.RECOVERED, closed_at=ago(600)) for n in (1, 2))


@pytest.mark.parametrize(
    ("evidence", "presence", "reason"),
    [
        pytest.param(
            an_evidence(CRASHING), Presence.FAILING, "FaultPersists", id="it persists beyond the grace period"
        ),
        pytest.param(
            an_evidence(CRASHING, opened_at=ago(9)), Presence.WATCHING, "Watching", id="it persists within the grace"
        ),
        pytest.param(
            an_evidence(CRASHING, opened_at=ago(10)), Presence.FAILING, "FaultPersists", id="at the end of the grace"
        ),
        pytest.param(
            an_evidence(RESTARTED), Presence.RECOVERED, "HealedByItself", id="it runs again and nothing crashed since"
        ),
        pytest.param(
            an_evidence(RESTARTED, opened_at=ago(20)), Presence.WATCHING, "Watching", id="it runs again, not for long"
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a", a_restarted_container(last=a_termination(finished_at=ago(20))))),
            Presence.FAILING,
            "CrashedAgain",
            id="it crashed again since and runs for a moment",
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a", a_restarted_container(last=a_termination(finished_at=ago(300))))),
            Presence.RECOVERED,
            "HealedByItself",
            id="the crash that opened the incident is not another one",
        ),
        pytest.param(
            an_evidence(
                incidents=tuple(a_brief(f"o{n}", phase=Phase.RECOVERED, closed_at=ago(600 + n)) for n in range(2))
            ),
            Presence.FAILING,
            "Flapping",
            id="it healed by itself twice within the hour: flapping",
        ),
        pytest.param(
            an_evidence(incidents=(a_brief(phase=Phase.RECOVERED, closed_at=ago(600)),)),
            Presence.RECOVERED,
            "HealedByItself",
            id="it healed by itself once before",
        ),
        pytest.param(
            an_evidence(
                incidents=tuple(a_brief(f"o{n}", phase=Phase.RECOVERED, closed_at=ago(3700 + n)) for n in range(2))
            ),
            Presence.RECOVERED,
            "HealedByItself",
            id="it healed by itself twice, long ago",
        ),
        pytest.param(
            an_evidence(
                incidents=tuple(
                    a_brief(f"o{n}", namespace="bank", phase=Phase.RECOVERED, closed_at=ago(60)) for n in range(2)
                )
            ),
            Presence.RECOVERED,
            "HealedByItself",
            id="a namesake in another namespace flaps",
        ),
        pytest.param(
            an_evidence(incidents=tuple(a_brief(f"o{n}", phase=Phase.HEALED, closed_at=ago(60)) for n in range(2))),
            Presence.RECOVERED,
            "HealedByItself",
            id="repairs are no flapping",
        ),
        pytest.param(
            an_evidence(workload=ZERO).model_copy(update={"pods": ()}),
            Presence.WATCHING,
            "Watching",
            id="scaled to zero is no recovery",
        ),
        pytest.param(
            an_evidence().model_copy(update={"pods": ()}),
            Presence.WATCHING,
            "Watching",
            id="no pods to be seen is no recovery",
        ),
        pytest.param(
            an_evidence(CRASHING.model_copy(update={"deleting": True}), workload=an_unavailable_deployment()),
            Presence.WATCHING,
            "Watching",
            id="only a pod that is going",
        ),
        pytest.param(
            an_evidence(
                a_pod(),
                a_pod(
                    "web-2-x",
                    a_container_status(ready=False, running_since=None, terminated=a_termination()),
                    phase="Failed",
                ),
            ),
            Presence.RECOVERED,
            "HealedByItself",
            id="the remains of an evicted pod are no fault",
        ),
        pytest.param(
            an_evidence(workload=an_unavailable_deployment()),
            Presence.WATCHING,
            "Watching",
            id="a replica is still missing",
        ),
        pytest.param(
            an_evidence(workload=a_deployment(generation=3)),
            Presence.WATCHING,
            "Watching",
            id="the status is of an older spec",
        ),
        pytest.param(
            an_evidence(a_pod(ready_since=ago(29))),
            Presence.WATCHING,
            "Watching",
            id="new pods, such as those of an undo, must hold too",
        ),
        pytest.param(
            an_evidence(a_pod(ready_since=None)),
            Presence.WATCHING,
            "Watching",
            id="ready, unknown since when: no recovery",
        ),
        pytest.param(
            an_evidence(NOT_READY.model_copy(update={"created_at": ago(60)}), a_pod("web-2-b")),
            Presence.WATCHING,
            "Starting",
            id="not ready yet",
        ),
        pytest.param(
            an_evidence(NOT_READY, workload=an_unavailable_deployment(progress_deadline_exceeded=True)),
            Presence.FAILING,
            "FaultPersists",
            id="not ready though the progress deadline has passed",
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a", a_waiting_container("ImagePullBackOff"), phase="Pending")),
            Presence.FAILING,
            "FaultPersists",
            id="an image that cannot be pulled",
        ),
    ],
)
def test_confirm(evidence, presence, reason):
    sighting = confirm(Findings(evidence), a_policy(grace=10))
    assert (sighting.presence, sighting.reason) == (presence, reason)
    assert sighting.message


def test_a_start_that_no_one_misses_is_watched_until_the_deadline_which_is_named():
    starting = a_pod("web-2-a", ready=False, ready_since=None, created_at=ago(400))
    sighting = confirm(Findings(an_evidence(starting, a_pod("web-1-a", revision="1"))), a_policy(grace=10))
    assert (sighting.presence, sighting.until) == (Presence.WATCHING, ago(-200))
    assert sighting.message == (
        "3 of 3 replicas are available; the pods that start have until 12:03:20 UTC (deadline of the rollout: 600 s)"
    )


def test_a_start_is_not_waited_for_while_another_pod_crashes():
    starting = a_pod("web-2-b", ready=False, ready_since=None, created_at=ago(100))
    assert confirm(Findings(an_evidence(CRASHING, starting)), a_policy(grace=10)).presence is Presence.FAILING


def _loop(letter="a", restarts=2):
    """A pod that crashed again a moment ago."""
    return a_pod(f"web-2-{letter}", a_crashing_container(restarts=restarts, last=a_termination(finished_at=ago(2))))


OOM_KILLED = a_pod("web-2-a", a_crashing_container(restarts=2, last=an_oom_kill()))
WELL = (a_pod("web-2-b"), a_pod("web-2-c"))
FEW_BACKED_OFF = {"backOff": {"restarts": 1, "time": "20s"}}


@pytest.mark.parametrize(
    ("pods", "opened", "policy", "presence"),
    [
        pytest.param((_loop(), *WELL), 300, {}, Presence.WATCHING, id="two restarts"),
        pytest.param((_loop(restarts=3), *WELL), 59, {}, Presence.WATCHING, id="less than a minute"),
        pytest.param((_loop(restarts=3), *WELL), 60, {}, Presence.FAILING, id="three restarts and a minute"),
        pytest.param((_loop(), *WELL), 30, FEW_BACKED_OFF, Presence.FAILING, id="as the policy says"),
        pytest.param((_loop(), _loop("b"), a_pod("web-2-c")), 30, {}, Presence.FAILING, id="a majority"),
        pytest.param((_loop(),), 30, {}, Presence.FAILING, id="a single replica"),
        pytest.param((_loop(), a_pod("web-1-a", revision="1"), *WELL), 30, {}, Presence.FAILING, id="a rollout"),
        pytest.param((OOM_KILLED, *WELL), 30, {}, Presence.FAILING, id="an OOM kill"),
        pytest.param(
            (a_pod("web-2-a", a_restarted_container(last=a_termination(finished_at=ago(2)), restarts=2)), *WELL),
            30,
            {},
            Presence.WATCHING,
            id="between two crashes",
        ),
        pytest.param(
            (a_pod("web-2-a", a_restarted_container(last=a_termination(finished_at=ago(20)), restarts=2)), *WELL),
            60,
            {},
            Presence.WATCHING,
            id="it runs again, but not for long",
        ),
    ],
)
def test_a_minority_that_crashes_is_left_to_the_kubelet_at_first(pods, opened, policy, presence):
    workload = a_deployment(replicas=min(3, len(pods)))
    evidence = an_evidence(*pods, workload=workload, opened_at=ago(opened))
    assert confirm(Findings(evidence), a_policy(**policy)).presence is presence


def test_what_the_kubelet_has_restarted_is_recovered():
    restarted = a_restarted_container(last=a_termination(finished_at=ago(40)), restarts=2, running_since=ago(35))
    evidence = an_evidence(a_pod("web-2-a", restarted, ready_since=ago(34)), *WELL, opened_at=ago(50))
    assert confirm(Findings(evidence), a_policy()).presence is Presence.RECOVERED


def test_a_long_grace_is_waited_for_before_a_recovery_is_believed():
    assert confirm(Findings(an_evidence(opened_at=ago(100))), a_policy(grace=101)).presence is Presence.WATCHING
    assert confirm(Findings(an_evidence(opened_at=ago(100))), a_policy(grace=100)).presence is Presence.RECOVERED


def test_even_without_grace_a_recovery_must_hold_for_a_while():
    assert confirm(Findings(an_evidence(opened_at=ago(29))), a_policy(grace=0)).presence is Presence.WATCHING
    assert confirm(Findings(an_evidence(opened_at=ago(30))), a_policy(grace=0)).presence is Presence.RECOVERED


OLDER = a_pod("web-1-a", a_crashing_container(last=an_oom_kill()), revision="1")
STATEFUL = a_deployment().ref.model_copy(update={"kind": "StatefulSet"})


@pytest.mark.parametrize(
    ("pods", "presence", "reason"),
    [
        pytest.param((CRASHING,), Presence.FAILING, "FaultPersists", id="it fails still, without another grace"),
        pytest.param((RESTARTED,), Presence.RECOVERED, "HealedByItself", id="what crashed before is past"),
        pytest.param(
            (a_pod("web-2-a", a_restarted_container(last=a_termination(finished_at=ago(10)))),),
            Presence.FAILING,
            "CrashedAgain",
            id="it crashed again since",
        ),
        pytest.param((a_pod(ready_since=ago(20)),), Presence.WATCHING, "Watching", id="it has not been ready for long"),
    ],
)
def test_what_was_waited_with_counts_from_then_on(pods, presence, reason):
    evidence = an_evidence(*pods, since=ago(40), incidents=RECOVERED_TWICE, opened_at=ago(3600))
    sighting = confirm(Findings(evidence), a_policy(grace=30))
    assert (sighting.presence, sighting.reason) == (presence, reason)


def test_a_pod_whose_node_is_lost_is_a_fault_that_lasts():
    away = a_pod("web-2-a", ready=False, ready_since=None, node_lost=True)
    sighting = confirm(Findings(an_evidence(away, workload=an_unavailable_deployment())), a_policy(grace=10))
    assert (sighting.presence, sighting.reason) == (Presence.FAILING, "NodeLost")
    assert "node-a" in sighting.message


NOT_SETTLED = Judgement(verdict=Verdict.NOT_HEALED, reason="NotSettled", message="0 of 3 updated")
LOST = NodeView(name="node-a", ready=False, message="it is gone")


@pytest.mark.parametrize(
    ("judgement", "nodes", "reason"),
    [
        pytest.param(NOT_SETTLED, (LOST,), "NodeLost", id="it could not be rolled out"),
        pytest.param(
            Judgement(verdict=Verdict.WORSE, reason="FewerAvailable"), (LOST,), "NodeLost", id="fewer are available"
        ),
        pytest.param(NOT_SETTLED, (), "NotSettled", id="every node is there"),
        pytest.param(NOT_SETTLED, (NodeView(name="node-a"),), "NotSettled", id="the node is heard of"),
        pytest.param(NOT_SETTLED, (LOST.model_copy(update={"name": "b"}),), "NotSettled", id="a node without its pods"),
        pytest.param(
            Judgement(verdict=Verdict.NOT_HEALED, reason="Relapse"), (LOST,), "Relapse", id="a crash is a crash"
        ),
    ],
)
def test_a_node_that_is_lost_meanwhile_says_nothing_about_a_repair(judgement, nodes, reason):
    found = discount_node_loss(judgement, (a_pod(deleting=True), a_pod("web-2-b", node="node-c")), nodes)
    assert found.reason == reason
    assert (found.verdict is Verdict.INCONCLUSIVE) is (reason == "NodeLost")


def test_a_pod_that_the_rollout_takes_away_is_not_the_fault():
    """After an undo the pods of the repair still crash for a while: whether the owner's do must be seen first."""
    moving = an_unavailable_deployment()
    assert (
        confirm(Findings(an_evidence(a_pod(), OLDER, workload=moving)), a_policy(grace=10)).presence
        is Presence.WATCHING
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"ref": STATEFUL}, id="a StatefulSet waits for it"),
        pytest.param({"progress_deadline_exceeded": True}, id="the rollout is late"),
        pytest.param({"revision": ""}, id="nothing is rolled out"),
    ],
)
def test_a_pod_that_nothing_takes_away_is(change):
    moving = an_unavailable_deployment(**change)
    assert (
        confirm(Findings(an_evidence(a_pod(), OLDER, workload=moving)), a_policy(grace=10)).presence is Presence.FAILING
    )


# The repair was written 110 s ago, may take 120 s and must hold for 60 s.
OURS = {"last_action": "uid-incident-1"}
GOOD = a_deployment(**OURS)
HALF = an_unavailable_deployment(**OURS)
READY = a_pod("web-2-a", created_at=ago(100), ready_since=ago(61))
LATE = {"written_at": ago(300)}  # and no pod was made or became ready in the last two minutes
EARLIER = a_pod("web-2-a", created_at=ago(200), ready_since=ago(121))
TERMINATING = a_pod("web-1-a", revision="1", deleting=True)
SERVED = a_pod("web-2-a", ready_since=ago(61))
STARTING = a_container_status(ready=False)


def _restarted(finished_at, **values):
    container = a_restarted_container(last=an_oom_kill(finished_at=finished_at))
    return a_pod("web-2-a", container, **{"created_at": ago(3600), "ready_since": ago(61), **values})


@pytest.mark.parametrize(
    ("workload", "pods", "expected", "verdict", "reason"),
    [
        pytest.param(GOOD, (READY,), {}, Verdict.HEALED, "Stable", id="rolled out and held for the window"),
        pytest.param(
            GOOD, (READY, a_pod("b", ready_since=ago(59))), {}, None, "Holding", id="one pod has not held long enough"
        ),
        pytest.param(
            GOOD,
            (READY,),
            {"written_at": ago(59)},
            None,
            "Holding",
            id="a window begins with the write at the earliest",
        ),
        pytest.param(GOOD, (a_pod("b", ready_since=None),), {}, None, "Holding", id="ready, unknown since when"),
        pytest.param(
            GOOD,
            (a_pod("b", ready_since=None),),
            {"written_at": ago(781)},
            Verdict.INCONCLUSIVE,
            "NeverStable",
            id="nor ever will",
        ),
        pytest.param(
            GOOD,
            (a_pod("b", ready_since=ago(3)),),
            {"written_at": ago(780)},
            None,
            "Holding",
            id="a pod was replaced recently",
        ),
        pytest.param(
            GOOD,
            (a_pod("b", ready_since=ago(3)),),
            {"written_at": ago(781)},
            Verdict.INCONCLUSIVE,
            "NeverStable",
            id="pods are replaced again and again",
        ),
        pytest.param(HALF, (READY,), {}, None, "Settling", id="not rolled out yet"),
        pytest.param(
            a_deployment(generation=3, **OURS), (READY,), {}, None, "Settling", id="the controller has not seen it yet"
        ),
        pytest.param(a_deployment(revision="", **OURS), (), {}, None, "Settling", id="no pod was made yet"),
        pytest.param(
            a_deployment(total_replicas=4, **OURS),
            (READY, a_pod("web-1-a", revision="1")),
            {},
            None,
            "Settling",
            id="old pods are left",
        ),
        pytest.param(GOOD, (), {}, None, "Settling", id="no pods to be seen"),
        pytest.param(
            GOOD, (a_pod("web-1-a", revision="1"),), {}, None, "Settling", id="only pods of another revision to be seen"
        ),
        pytest.param(
            GOOD, (READY.model_copy(update={"deleting": True}),), {}, None, "Settling", id="only a pod that is going"
        ),
        pytest.param(
            GOOD,
            (
                READY,
                a_pod(
                    "x", a_container_status(ready=False, running_since=None, terminated=a_termination()), phase="Failed"
                ),
            ),
            {},
            Verdict.HEALED,
            "Stable",
            id="the remains of an evicted pod do not count",
        ),
        pytest.param(HALF, (EARLIER,), LATE, Verdict.INCONCLUSIVE, "NotSettled", id="late is undecided"),
        pytest.param(GOOD, (), LATE, Verdict.INCONCLUSIVE, "NoPods", id="late without pods is undecided"),
        pytest.param(
            GOOD, (TERMINATING,), {"written_at": ago(200)}, None, "Settling", id="a terminating pod holds it up"
        ),
        pytest.param(
            GOOD,
            (TERMINATING,),
            {"written_at": ago(900)},
            Verdict.INCONCLUSIVE,
            "NoPods",
            id="a pod that terminates forever",
        ),
        pytest.param(
            a_deployment(generation=3, **OURS),
            (EARLIER,),
            LATE,
            Verdict.INCONCLUSIVE,
            "NotSettled",
            id="the controller never saw it",
        ),
        pytest.param(
            HALF, (_restarted(ago(109)),), {}, Verdict.NOT_HEALED, "Relapse", id="an OOM kill after the write"
        ),
        pytest.param(
            GOOD,
            (READY, _restarted(ago(2))),
            {},
            Verdict.NOT_HEALED,
            "Relapse",
            id="a late relapse, though all is ready",
        ),
        pytest.param(
            GOOD,
            (_restarted(ago(110)), READY.model_copy(update={"name": "web-2-b"})),
            {},
            Verdict.HEALED,
            "Stable",
            id="a kill before the write is no relapse",
        ),
        pytest.param(
            GOOD,
            (_restarted(ago(300), created_at=ago(110)),),
            {},
            Verdict.NOT_HEALED,
            "Relapse",
            id="a pod made since was killed, by a node whose clock is slow",
        ),
        pytest.param(
            GOOD, (SERVED,), {}, Verdict.HEALED, "ServedByExistingPods", id="only pods that ran before the repair"
        ),
        pytest.param(GOOD, (SERVED, READY), {}, Verdict.HEALED, "Stable", id="one of the pods was made since"),
        pytest.param(
            HALF,
            (READY, _restarted(ago(2), revision="1")),
            {},
            None,
            "Settling",
            id="a kill of an old revision is no relapse",
        ),
        pytest.param(
            HALF,
            (a_pod("b", a_crashing_container("proxy", last=a_termination(finished_at=ago(3)))),),
            {},
            Verdict.NOT_HEALED,
            "Relapse",
            id="another container crashes now",
        ),
        pytest.param(
            HALF,
            (a_pod("b", a_waiting_container("ErrImagePull"), phase="Pending"),),
            {},
            Verdict.NOT_HEALED,
            "Relapse",
            id="the restored image cannot be pulled",
        ),
        pytest.param(
            HALF,
            (a_pod("b", a_waiting_container("ErrImagePull", message="dial tcp: i/o timeout"), phase="Pending"),),
            {},
            None,
            "Settling",
            id="the registry does not answer",
        ),
        pytest.param(
            HALF,
            (a_pod("b", a_waiting_container(""), phase="Pending", unschedulable="no node"),),
            {},
            None,
            "Settling",
            id="a pod without a node gets the time-out",
        ),
        pytest.param(
            a_deployment(generation=3, **OURS),
            (_restarted(ago(2)),),
            {},
            None,
            "Settling",
            id="a kill that is seen before the new revision is known decides nothing",
        ),
        pytest.param(
            a_deployment(template_hash="other", **OURS),
            (READY,),
            {},
            Verdict.INCONCLUSIVE,
            "ChangedByOthers",
            id="another template",
        ),
        pytest.param(
            a_deployment(last_action="another"),
            (READY,),
            {},
            Verdict.INCONCLUSIVE,
            "ChangedByOthers",
            id="another action since",
        ),
        pytest.param(
            a_deployment(replicas=0, **OURS),
            (),
            {},
            Verdict.INCONCLUSIVE,
            "ScaledToZero",
            id="scaled to zero proves nothing",
        ),
        pytest.param(
            a_deployment(deleting=True, **OURS), (READY,), {}, Verdict.INCONCLUSIVE, "TargetDeleted", id="being deleted"
        ),
        pytest.param(
            GOOD,
            (READY,),
            {"has_checks": True},
            None,
            "ChecksDue",
            id="the pods have held, checks are wanted",
        ),
        pytest.param(
            GOOD, (READY,), {"settle": Settle(timeout=120, window=300)}, None, "Holding", id="a longer window"
        ),
    ],
)
def test_verify(workload, pods, expected, verdict, reason):
    judgement = verify(workload, pods, an_expectation(**expected), NOW)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)
    assert judgement.message


def _starting(made=200, **values):
    return a_pod("web-2-b", STARTING, **{"created_at": ago(made), **values})


def _failed_by(kind, available=0):
    return {**LATE, "baseline": Baseline(failing=(kind,), available=available)}


UNPLACED = a_pod("web-2-c", a_waiting_container(""), phase="Pending", unschedulable="no node", created_at=ago(200))
COSTLY = {**LATE, "baseline": Baseline(available=3)}
STATEFUL_HALF = HALF.model_copy(update={"ref": STATEFUL, "start_budget": 110.0})
REFUSED = a_deployment(create_failure="exceeded quota: team", **OURS)


@pytest.mark.parametrize(
    ("workload", "pods", "expected", "verdict", "reason"),
    [
        pytest.param(HALF, (_starting(119),), LATE, None, "Settling", id="a pod was made within the time-out"),
        pytest.param(HALF, (READY,), LATE, None, "Settling", id="a pod became ready within the time-out"),
        pytest.param(
            HALF,
            (_starting(600), a_pod(created_at=ago(700), ready_since=ago(1))),
            {"written_at": ago(601)},
            Verdict.INCONCLUSIVE,
            "NotSettled",
            id="a pod that flaps moves the deadline no further than the slowest rollout",
        ),
        pytest.param(
            STATEFUL_HALF, (EARLIER, _starting()), LATE, None, "Settling", id="three pods of 110 s each by their probes"
        ),
        pytest.param(
            HALF.model_copy(update={"start_budget": 300.0}),
            (_starting(299),),
            LATE,
            None,
            "Settling",
            id="the probes grant it 300 s",
        ),
        pytest.param(HALF, (_starting(),), _failed_by("Crash"), Verdict.INCONCLUSIVE, "NotSettled", id="not as before"),
        pytest.param(
            HALF, (_starting(),), _failed_by("NotReady"), Verdict.NOT_HEALED, "StillFailing", id="not ready, as before"
        ),
        pytest.param(
            HALF,
            (_starting(), EARLIER),
            _failed_by("NotReady"),
            Verdict.INCONCLUSIVE,
            "NotSettled",
            id="not ready as before, but another pod is ready",
        ),
        pytest.param(
            HALF, (UNPLACED,), _failed_by("Unschedulable"), Verdict.NOT_HEALED, "StillFailing", id="no node, as before"
        ),
        pytest.param(HALF, (), _failed_by("NotMade"), Verdict.NOT_HEALED, "NoPods", id="not made, as before"),
        pytest.param(REFUSED, (), LATE, Verdict.NOT_HEALED, "NoPods", id="its pods are refused"),
        pytest.param(
            REFUSED.model_copy(update={"create_failure": 'failed calling webhook "inject": connection refused'}),
            (),
            LATE,
            Verdict.INCONCLUSIVE,
            "NoPods",
            id="pods cannot be made because of a webhook that is away",
        ),
        pytest.param(HALF, (_starting(),), COSTLY, None, "Settling", id="fewer than before, within the owner's time"),
        pytest.param(
            HALF,
            (_starting(700),),
            {**COSTLY, "written_at": ago(701)},
            Verdict.WORSE,
            "FewerAvailable",
            id="fewer than before, beyond the owner's time",
        ),
        pytest.param(
            HALF,
            (a_pod(created_at=ago(700), ready_since=ago(650)),),
            {**COSTLY, "written_at": ago(701)},
            Verdict.INCONCLUSIVE,
            "NotSettled",
            id="fewer than before, but every repaired pod is ready",
        ),
        pytest.param(
            HALF,
            (READY, UNPLACED),
            {"written_at": ago(300), "baseline": Baseline(unplaced=1)},
            Verdict.HEALED,
            "Stable",
            id="a pod had no node before the fault either",
        ),
        pytest.param(
            HALF,
            (READY, UNPLACED),
            {"written_at": ago(300), "baseline": Baseline()},
            None,
            "Settling",
            id="a pod has no node since the repair",
        ),
        pytest.param(
            a_deployment(available_replicas=1, **OURS),
            (EARLIER, UNPLACED, _starting()),
            {"written_at": ago(300), "baseline": Baseline(unplaced=1)},
            Verdict.INCONCLUSIVE,
            "NotSettled",
            id="nor is another one ready",
        ),
    ],
)
def test_a_rollout_that_is_not_finished(workload, pods, expected, verdict, reason):
    judgement = verify(workload, pods, an_expectation(**{"baseline": Baseline(), **expected}), NOW)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)


def test_what_is_not_finished_is_said():
    message = verify(HALF, (_starting(),), an_expectation(**LATE), NOW).message
    assert message == (
        "The rollout of the repair is not finished 300 s after the repair: 3 of 3 updated, 2 available; "
        "pod web-2-b: NotReady: running but not ready. The repair stays in force."
    )


@pytest.mark.parametrize(
    ("pods", "baseline"),
    [
        pytest.param((CRASHING, UNPLACED), Baseline(available=3, failing=("Crash", "Unschedulable")), id="new"),
        pytest.param(
            (CRASHING, UNPLACED.model_copy(update={"created_at": ago(7200)})),
            Baseline(available=3, failing=("Crash", "Unschedulable"), unplaced=1),
            id="for long",
        ),
        pytest.param(
            (UNPLACED.model_copy(update={"created_at": ago(7200)}),),
            Baseline(available=3, failing=("Unschedulable",)),
            id="the fault itself",
        ),
    ],
)
def test_the_pods_that_had_no_node_before_the_fault_are_known(pods, baseline):
    assert measure_baseline(Findings(an_evidence(*pods, opened_at=ago(300)))) == baseline


SECONDS = st.integers(min_value=0, max_value=600)
ENDS = st.none() | st.builds(
    lambda reason, code, at: a_termination(reason, code, finished_at=ago(at)),
    st.sampled_from(["Error", "OOMKilled", "Completed"]),
    st.sampled_from([0, 1, 137, 143]),
    SECONDS,
)
CONTAINERS = st.builds(
    lambda waiting, end, ready: a_container_status(
        waiting=waiting, last=end, ready=ready and not waiting, running_since=None if waiting else ago(1)
    ),
    st.sampled_from(["", "CrashLoopBackOff", "ErrImagePull", "ContainerCreating"]),
    ENDS,
    st.booleans(),
)
PODS = st.builds(
    lambda container, since, revision, **values: a_pod(
        "p", container, ready_since=None if since is None else ago(since), revision=revision, **values
    ),
    CONTAINERS,
    st.none() | SECONDS,
    st.sampled_from(["2", "2", "2", "1", ""]),
    ready=st.booleans(),
    deleting=st.sampled_from([False, False, True]),
    phase=st.sampled_from(["Running", "Running", "Pending", "Failed"]),
)
COUNTS = st.sampled_from([3, 3, 3, 2, 0, 4])
WORKLOADS = st.builds(
    a_deployment,
    generation=st.sampled_from([2, 2, 3]),
    replicas=st.sampled_from([3, 3, 0]),
    updated_replicas=COUNTS,
    available_replicas=COUNTS,
    total_replicas=COUNTS,
    template_hash=st.sampled_from(["hash-2", "hash-2", "other"]),
    revision=st.sampled_from(["2", "2", ""]),
    last_action=st.sampled_from(["uid-incident-1", "uid-incident-1", "another"]),
    deleting=st.sampled_from([False, False, True]),
)


@given(
    workload=WORKLOADS | st.just(GOOD),
    pods=st.lists(PODS | st.just(READY), max_size=4),
    written=SECONDS,
    window=st.sampled_from([0, 30, 60]),
    has_checks=st.booleans(),
)
def test_healed_is_said_only_of_what_was_seen_healthy_for_the_whole_window(
    *, workload, pods, written, window, has_checks
):
    assume(workload.updated_replicas <= workload.total_replicas)  # no controller counts more
    expected = an_expectation(written_at=ago(written), settle=Settle(timeout=120, window=window), has_checks=has_checks)
    if verify(workload, tuple(pods), expected, NOW).verdict is not Verdict.HEALED:
        return
    current = [pod for pod in pods if not pod.deleting and pod.phase != "Failed" and pod.revision == workload.revision]
    assert workload.complete
    assert workload.replicas > 0
    assert (workload.template_hash, workload.last_action) == ("hash-2", "uid-incident-1")
    assert current
    assert not has_checks
    assert written >= window
    assert all(pod.ready for pod in current)
    if window:
        assert all(pod.ready_since and NOW - pod.ready_since >= timedelta(seconds=window) for pod in current)
    ends = [
        container.last
        for pod in current
        for container in pod.containers
        if container.last is not None and container.last.exit_code != 0
    ]
    assert all(end.finished_at <= ago(written) for end in ends)


@given(workload=WORKLOADS, pods=st.lists(PODS, max_size=4), window=st.sampled_from([0, 30, 60]))
def test_every_repair_is_judged_in_the_end(workload, pods, window):
    expected = an_expectation(written_at=ago(3600), settle=Settle(timeout=120, window=window))
    assert verify(workload, tuple(pods), expected, NOW).verdict is not None


@given(pods=st.lists(PODS, max_size=4), workload=WORKLOADS, opened=SECONDS)
def test_a_recovery_is_believed_only_when_every_pod_is_ready(pods, workload, opened):
    evidence = an_evidence(workload=workload, opened_at=ago(opened)).model_copy(update={"pods": tuple(pods)})
    if confirm(Findings(evidence), a_policy(grace=10)).presence is Presence.RECOVERED:
        live = [pod for pod in pods if not pod.deleting and pod.phase != "Failed"]
        assert live
        assert all(pod.ready and NOW - pod.ready_since >= timedelta(seconds=30) for pod in live)
        assert workload.settled
        assert opened >= 30


def test_the_workload_is_named_as_people_name_it():
    assert str(WEB) == "Deployment/web"


@pytest.mark.parametrize(
    ("blind", "reason"), [(0, "NotSettled"), (60, "Settling")], ids=["late", "late, but unobserved for a minute"]
)
def test_time_in_which_nobody_could_look_does_not_count(blind, reason):
    expected = an_expectation(written_at=ago(150), blind=blind, baseline=Baseline())
    workload = an_unavailable_deployment(last_action="uid-incident-1")
    assert verify(workload, (a_pod("web-2-a"),), expected, NOW).reason == reason
