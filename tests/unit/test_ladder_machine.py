"""The whole ladder against a world that moves: a Deployment controller, people, and workers that die between any two
requests. The workflow, the brain and the hands are the real ones; Temporal, the API server and the controllers are not.

More of it: `pytest --hypothesis-profile=thorough tests/unit/test_ladder_machine.py`.
"""

import re
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from fakes.controllers import MI, PATH, Web
from fakes.kube import FakeKube
from fakes.objects import NAMESPACE
from fakes.temporal import Run
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from temporalio.exceptions import ApplicationError

from prunella_operator import clock
from prunella_operator.activities import Activities
from prunella_operator.cluster import paths
from prunella_operator.cluster.views import RESTARTED_AT, template_hash
from prunella_workflows.contract import HealingRequest
from prunella_workflows.errors import Unavailable
from prunella_workflows.model.incident import Approval, IncidentRef, IncidentSpec, TargetRef
from prunella_workflows.model.outcome import Verdict

PLACE = f"/api/v1/namespaces/{NAMESPACE}"
POLICY = f"{paths.policies(NAMESPACE)}/web"
INCIDENTS = paths.incidents(NAMESPACE)
MARK = "/metadata/annotations/prunella.dev~1last-action"
OURS = re.compile(r"/metadata/annotations(/prunella\.dev~1(last-action|last-action-at|before|after))?|/spec/template.*")
WRITES = ("repair", "undo")
WORLD = ["release", "fate", "fate", "memory", *["time"] * 6, "scale", "annotate", "anew"]
OWNERS = ["pause", "helm", "namespace", "ignore", "busy"]
PEOPLE = ["alice", "bob", "carol"]
POLICIES = [
    {},
    {"rollback": "Freeze"},
    {"mode": "Observe"},
    {"actions": ["SetMemory"]},
    {"approval": {"when": "Always", "approvers": ["alice"]}},
    {"approval": {"when": "Always", "approvers": ["bob", "group:sre"]}},
    {"budgets": {"concurrentPerNamespace": 1}},
    {"budgets": {"perHourPerWorkload": 2}},
]
WINDOW = 60.0
ATTEMPTS = 3
REQUESTS = st.integers(0, 16)
AGAIN = 15.0
LEFT_AS_THEY_ARE = {Verdict.HEALED, Verdict.INCONCLUSIVE, "Unknown"}


class WorkerDied(BaseException):
    """Nobody hears any more of what this worker does."""


class Cluster(FakeKube):
    """Tells `on_write` of each write to the Deployment by our hands, and lets things happen before a request."""

    on_write = None
    left = None
    then = None

    def plan(self, requests, then):
        """Before so many more requests from now on, once."""
        self.left, self.then = requests, then

    def _ask(self, method, path):
        super()._ask(method, path)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left, then = None, self.then
                then()

    def json_patch(self, path, operations):
        before = self.objects.get(path)
        written = super().json_patch(path, operations)
        if path == PATH:
            self.on_write(operations, before, written)
        return written


class Ladder(RuleBasedStateMachine):
    """One Deployment, one incident after the other, and all that can happen to them."""

    def __init__(self):
        super().__init__()
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
        self._patches = ExitStack()
        self._patches.enter_context(patch.object(clock, "now", lambda: self.now))
        self._patches.enter_context(patch.object(clock, "monotonic", self._seconds))
        self.kube = Cluster()
        self.kube.on_write = self._check_write
        self.labels = {"prunella.dev/heal": "enabled"}
        self.policy = {}
        self.kube.put(PLACE, {"metadata": {"labels": self.labels}})
        self.kube.put("/api/v1", {"resources": []})
        self.web = Web(self.kube, lambda: self.now)
        self.hands = Activities(self.kube, 30.0, ("prunella-system",))
        self.run = None
        self.incidents = 0
        self.effects = {}
        self.orders = []
        self.doing = None
        self.answers = []
        self.ended = True

    def _seconds(self):
        return self.now.timestamp()

    def teardown(self):
        self._end()
        if self.run is not None:
            self.run.close()
        self._patches.close()

    def _end(self):
        """Left alone from now on, every incident comes to its end."""
        if self.ended:
            return
        self.incident["spec"]["suspend"] = False
        self.run.workflow.suspend(False)
        self.run.settle()
        for _ in range(600):
            if self.run.done:
                break
            self._step()
        self.an_end_leaves_what_it_should()
        assert self.ended, self.run.workflow.get_state()

    # The world

    def move(self, seconds):
        """Time passes for everybody, in steps small enough for what lives on it."""
        step = max(1.0, seconds / 12)
        while seconds > 0:
            self.now += timedelta(seconds=min(step, seconds))
            seconds -= step
            self.web.tick(step)
        if self.run is not None:
            self.run.settle()

    @initialize(
        warm=st.sampled_from([1, 120, 120]),
        kind=st.sampled_from(["crash", "image", "hang", "hungry", "hungry", "good"]),
        seconds=st.sampled_from([5, 30, 120]),
    )
    def a_release_is_made_and_seen(self, warm, kind, seconds):
        """After a good one that may have served for long enough."""
        self.move(warm)
        self.web.release("good" if kind == "hungry" else kind, 80 if kind == "hungry" else 32)
        self.move(seconds)
        self.an_incident_is_opened()

    @rule(what=st.sampled_from(WORLD), value=st.integers(0, 5))
    def something_happens(self, what, value):
        web = self.web
        match what:
            case "release":
                web.release(["good", "good", "crash", "image", "hang", "good"][value], 1000 if value == 5 else 32)
            case "fate":  # what the pods need goes, or comes back
                web.current().kind = ["good", "crash", "hang"][value % 3]
            case "memory":
                web.current().needs += [16, 64, 256][value % 3] * MI
            case "time":
                self.move([1, 10, 60, 60, 120, 700][value])
            case "scale":
                web.edit(lambda raw: raw["spec"].update(replicas=value % 4))
            case "annotate":
                web.edit(lambda raw: raw["metadata"].setdefault("annotations", {}).update(owner=str(value)))
            case "anew":
                web.delete()
                web.apply(web.wanted)

    @rule(what=st.sampled_from(OWNERS), on=st.booleans())
    def its_owner_decides(self, what, on):
        match what:
            case "pause":
                self.web.edit(lambda raw: raw["spec"].update(paused=on))
            case "helm":
                labels = {"app.kubernetes.io/managed-by": "Helm"} if on else {}
                self.web.edit(lambda raw: raw["metadata"].update(labels=labels))
            case "namespace":
                self._label({"prunella.dev/heal": "enabled"} if on else {})
            case "ignore":
                self._label({"prunella.dev/heal": "enabled"} | ({"prunella.dev/ignore": "true"} if on else {}))
            case "busy":
                labels = {paths.TURN: self.now.strftime("%Y-%m-%dT%H")} if on else {}
                meta = {"namespace": NAMESPACE, "labels": labels}
                self.kube.put(f"{INCIDENTS}/api-1", {"metadata": meta}, phase="Verifying", target="Deployment/api")

    def _label(self, labels):
        self.labels = labels
        self.kube.put(PLACE, {"metadata": {"labels": labels}})

    @rule(spec=st.sampled_from(POLICIES))
    def the_policy_changes(self, spec):
        self.policy = spec
        self.kube.put(POLICY, {"spec": spec})

    # The incident

    @precondition(lambda self: self.ended)
    @rule()
    def an_incident_is_opened(self):
        if self.web.deployment is None:
            return
        self.incidents += 1
        if self.run is not None:
            self.run.close()
        name, target = f"web-{self.incidents}", {"kind": "Deployment", "name": "web"}
        meta = {"namespace": NAMESPACE, "creationTimestamp": self.now.isoformat(), "uid": f"u{self.incidents}"}
        self.kube.put(f"{INCIDENTS}/{name}", {"metadata": meta, "spec": {"type": "PodCrashLoop", "target": target}})
        request = HealingRequest(
            incident=IncidentRef(namespace=NAMESPACE, name=name, uid=meta["uid"]),
            spec=IncidentSpec(type="PodCrashLoop", target=TargetRef(**target)),
            opened_at=self.now,
        )
        self.answers, self.ended = [], False
        self.run = Run(lambda: self.now, request)

    @property
    def incident(self):
        return self.kube.objects[f"{INCIDENTS}/web-{self.incidents}"]

    @precondition(lambda self: not self.ended)
    @rule(what=st.sampled_from(["suspend", "go on", "yes", "yes", "no", "cancel"]), who=st.sampled_from(PEOPLE))
    def somebody_says(self, what, who):
        workflow = self.run.workflow
        match what:
            case "suspend" | "go on":
                self.incident["spec"]["suspend"] = what == "suspend"
                workflow.suspend(what == "suspend")
            case "yes" | "no":
                decision = "Approved" if what == "yes" else "Rejected"
                answer = Approval(decision=decision, by=who, groups=("sre",) if who == "carol" else ())
                self.answers.append(answer)
                workflow.approve(answer)
            case "cancel":
                self.run.cancel()
        self.run.settle()

    # The worker

    @precondition(lambda self: not self.ended)
    @rule(steps=st.integers(1, 30))
    def the_work_goes_on(self, steps):
        for _ in range(steps):
            self._step()

    @precondition(lambda self: not self.ended)
    @rule()
    def the_work_goes_on_to_the_next_write(self):
        for _ in range(60):
            if self.run.done or (self.run.calls and self.run.calls[0].name in WRITES):
                return
            self._step()

    @precondition(lambda self: not self.ended and self.run.calls)
    @rule(requests=REQUESTS, dies=st.booleans())
    def it_is_interrupted(self, requests, dies):
        """The worker dies, or the API server goes away, before the next but so many requests, or before the answer."""
        def stop():
            raise WorkerDied if dies else Unavailable("away")

        call = self.run.calls[0]
        self.kube.plan(requests, stop)
        try:
            self._do(call)
        except WorkerDied:
            self.move(AGAIN)
            self.run.failed(call, None)
        self.kube.left = None

    @precondition(lambda self: not self.ended and self.run.calls and self.run.calls[0].name in WRITES)
    @rule()
    def nobody_hears_its_answer(self):
        call = self.run.calls[0]
        with suppress(ApplicationError):
            self._perform(call)
        self.move(AGAIN)
        self.run.failed(call, None)

    @precondition(lambda self: not self.ended and self.run.calls and self.run.calls[0].name in WRITES)
    @rule(requests=REQUESTS, what=st.sampled_from(["pause", "release", "scale", "annotate", "note"]))
    def somebody_is_quicker(self, requests, what):
        """Right in the middle of a repair."""
        self.kube.plan(
            requests,
            {
                "pause": lambda: self.web.edit(lambda raw: raw["spec"].update(paused=True)),
                "release": lambda: self.web.release("good"),
                "scale": lambda: self.web.edit(lambda raw: raw["spec"].update(replicas=3)),
                "annotate": lambda: self.web.edit(lambda raw: raw["metadata"]["annotations"].update(owner="x")),
                "note": lambda: self.kube._store(f"{INCIDENTS}/web-{self.incidents}", dict(self.incident)),
            }[what],
        )
        self._do(self.run.calls[0])
        self.kube.left = None

    @precondition(lambda self: self.orders)
    @rule(number=st.integers(0, 5))
    def a_worker_that_seemed_dead_goes_on(self, number):
        """It does an order that was given to somebody else long ago; nobody hears what came of it."""
        call = self.orders[-1 - number % len(self.orders)]
        with suppress(ApplicationError):
            self._perform(call)

    def _step(self):
        if self.run.done:
            return
        if self.run.calls:
            self._do(self.run.calls[0])
            self.move(1)
        elif (pause := self.run.next_timer()) is not None:
            self.move(min(pause, 3600.0) or 0.1)

    def _do(self, call):
        try:
            result = self._perform(call)
        except ApplicationError as error:
            self.run.failed(call, error)
        else:
            self.run.answered(call, result)

    def _perform(self, call):
        if call.name in WRITES and call not in self.orders:
            self.orders.append(call)
        self.doing = call
        result = getattr(self.hands, call.name)(call.argument)
        if call.name == "verify" and result.verdict is Verdict.HEALED:
            since = self.web.healthy_since()
            assert since is not None, "said to be healed"
            assert (self.now - since).total_seconds() >= WINDOW, "said to be healed too early"
        return result

    # What must hold

    def _check_write(self, operations, before, after):
        order = self.doing.argument
        marks = [one["value"] for one in operations if one["path"] == MARK]
        assert marks == [order.action_id]
        assert order.action_id not in self.effects, "one effect for each action"
        self.effects[order.action_id] = order
        event(f"writes {self.doing.name} {order.action.kind}")
        touched = [one["path"] for one in operations if one["op"] != "test"]
        assert [one for one in touched if not OURS.fullmatch(one)] == []
        assert {**before["spec"], "template": None} == {**after["spec"], "template": None}
        if self.doing.name == "repair":
            self._check_repair(order, before, after)

    def _check_repair(self, order, before, after):
        status, labels = self.incident["status"], before["metadata"].get("labels") or {}
        assert self.labels.get("prunella.dev/ignore") != "true"
        allowed = self.policy.get("mode") or ("Heal" if "prunella.dev/heal" in self.labels else "Observe")
        assert allowed == "Heal", "nothing is written where Prunella only observes"
        assert not before["spec"].get("paused")
        assert labels == {}, "owned elsewhere"
        assert not self.incident["spec"].get("suspend")
        assert (status["phase"], status["attempts"][-1]["actionId"]) == ("Repairing", order.action_id)
        assert len([one for one in status["attempts"] if one.get("writtenAt")]) < ATTEMPTS
        if approvers := self.policy.get("approval", {}).get("approvers"):
            assert any(one.decision == "Approved" and one.is_by_one_of(tuple(approvers)) for one in self.answers)
        self._check_action(order.action, before["spec"]["template"], after["spec"]["template"])

    def _check_action(self, action, before, after):
        if action.kind == "RestoreTemplate":
            assert self.policy.get("rollback") != "Freeze"
            assert template_hash(after) in self.web.good, "only to what was good"
            return
        assert action.kind in {"SetMemory", "Restart"}
        assert _bare(before, "resources") == _bare(after, "resources"), "nothing but the memory or the stamp"

    @invariant()
    def an_end_leaves_what_it_should(self):
        if self.ended or not self.run.done:
            return
        self.ended = True
        status = self.run.workflow.get_state()
        assert status.phase.closed, status
        event(f"ends {status.phase} {status.reason}")
        live = self.web.deployment["spec"]["template"]
        in_force = [one for one in status.attempts if one.written_at and not one.undone and one.action != "Restart"]
        if status.reason not in {"NotUndone", "OutcomeUnknown"}:
            assert [one for one in in_force if one.verdict not in LEFT_AS_THEY_ARE] == []
            assert len(in_force) <= 1
            assert in_force or _bare(live) == _bare(self.web.wanted), "what the owner wants is there again"
        self.web.wanted = live  # what people find is what they go on from

    @invariant()
    def a_written_attempt_is_told_once(self):
        ids = [action for action in self.effects if not action.endswith("-undo")]
        assert len(ids) == len(set(ids))
        assert {one.removesuffix("-undo") for one in self.effects} == set(ids), "nothing is undone that was not made"


def _bare(template, *but):
    """A template without restart stamps, and without these fields of its containers."""
    meta, spec = template["metadata"], template["spec"]
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != RESTARTED_AT}
    containers = [{key: value for key, value in one.items() if key not in but} for one in spec["containers"]]
    return {**meta, "annotations": annotations}, {**spec, "containers": containers}


Ladder.TestCase.settings = settings(
    deadline=None,
    max_examples=settings().max_examples * 6 // 10,
    stateful_step_count=40,
    suppress_health_check=(),
)
TestLadder = Ladder.TestCase
