"""The whole ladder against a world that moves: a Deployment controller, people, and workers that die between any two
requests. The workflow, the brain and the hands are the real ones; Temporal, the API server and the controllers are not.

More of it: `pytest --hypothesis-profile=thorough tests/unit/workflows/healing/test_ladder_machine.py`.
"""

import re
from contextlib import ExitStack, suppress
from unittest.mock import patch

import pytest
from fakes.controllers import PATH
from fakes.objects import NAMESPACE
from fakes.temporal import Run
from fakes.world import EVENTS, INCIDENTS, VALUES, World
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from temporalio.exceptions import ApplicationError

from prunella_operator import clock
from prunella_operator.activities import Activities
from prunella_operator.kubernetes.views.templates import RESTARTED_AT, template_hash
from prunella_workflows.contracts.healing import HealingRequest
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.incident import Approval, IncidentRef, IncidentSpec, TargetRef
from prunella_workflows.model.labels import CAUSE_BEFORE, LAST_ACTION
from prunella_workflows.model.outcome import Verdict

pytestmark = pytest.mark.timeout(900)  # what it finds takes long to make small

MARK = "/metadata/annotations/prunella.dev~1last-action"
OURS = re.compile(
    r"/metadata/annotations(/prunella\.dev~1(last-action|last-action-at|last-change|before|after|change-cause-before))?"
    r"|/spec/template.*"
)
CAUSE = "/metadata/annotations/kubernetes.io~1change-cause"
WRITES = ("repair", "undo")
KINDS = ["crash", "image", "hang", "hungry", "hungry", "good"]
WINDOW = 15.0
ATTEMPTS = 3
AGAIN = 15.0
LEFT_AS_THEY_ARE = {Verdict.HEALED, Verdict.INCONCLUSIVE, "Unknown"}
EVENT = st.sampled_from([*EVENTS, *["rule", "time", "time", "time"]])
VALUE = st.integers(0, VALUES - 1)
SAYS = st.sampled_from(["suspend", "go on", "Approved", "Approved", "Rejected", "cancel"])
PEOPLE = st.sampled_from(["alice", "bob", "carol"])
REQUESTS = st.integers(0, 20)


class WorkerDied(BaseException):
    """The worker died: no result of its activities is reported any more."""


def _is_open(machine):
    return not machine.ended


def _is_called(machine):
    return not machine.ended and bool(machine.run.calls)


def _is_about_to_write(machine):
    return _is_called(machine) and machine.run.calls[0].name in WRITES


class Ladder(RuleBasedStateMachine):
    """One Deployment, one incident after the other, and all that can happen to them."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self._patches = ExitStack()
        self._patches.enter_context(patch.object(clock, "now", self.world.time))
        self._patches.enter_context(patch.object(clock, "monotonic", self.world.seconds))
        self.world.kube.on_write = self._check_write
        self.hands = Activities(self.world.kube, 30.0, ("prunella-system",))
        self.run = None
        self.incidents = 0
        self.effects = {}
        self.orders = []
        self.doing = None
        self.answers = []
        self.ended = True

    def teardown(self):
        try:
            self._end()
        finally:
            if self.run is not None:
                self.run.close()
            self._patches.close()

    def _end(self):
        """Without further events, every incident ends."""
        if self.ended:
            return
        self.somebody_says("go on", "alice")
        self.world.happen("busy", 1)
        for _ in range(800):  # an approval is waited for a week
            self._step()
        self.an_end_leaves_what_it_should()
        assert self.ended, self.run.workflow.get_state()

    # The world

    @initialize(warm=st.sampled_from([1, 120, 120]), kind=st.sampled_from(KINDS), seconds=st.sampled_from([5, 30, 120]))
    def a_release_is_made_and_seen(self, warm, kind, seconds):
        """After a good one that may have served for long enough."""
        self.world.move(warm)
        self.world.web.release("good" if kind == "hungry" else kind, 80 if kind == "hungry" else 32)
        self.world.move(seconds)
        self.an_incident_is_opened()

    @rule(what=EVENT, value=VALUE)
    def something_happens(self, what, value):
        self.world.happen(what, value)
        self.run.settle()

    # The incident

    @precondition(lambda self: self.ended)
    @rule()
    def an_incident_is_opened(self):
        self.incidents += 1
        if self.run is not None:
            self.run.close()
        name, target = f"web-{self.incidents}", {"kind": "Deployment", "name": "web"}
        meta = {"namespace": NAMESPACE, "creationTimestamp": self.world.now.isoformat(), "uid": f"u{self.incidents}"}
        spec = {"type": "PodCrashLoop", "target": target}
        self.world.kube.put(f"{INCIDENTS}/{name}", {"metadata": meta, "spec": spec})
        request = HealingRequest(
            incident=IncidentRef(namespace=NAMESPACE, name=name, uid=meta["uid"]),
            spec=IncidentSpec(type="PodCrashLoop", target=TargetRef(**target)),
            opened_at=self.world.now,
        )
        self.answers, self.ended = [], False
        self.run = Run(self.world.time, request)

    @property
    def incident(self):
        return self.world.kube.objects[f"{INCIDENTS}/web-{self.incidents}"]

    @precondition(_is_open)
    @rule(what=SAYS, who=PEOPLE)
    def somebody_says(self, what, who):
        workflow = self.run.workflow
        match what:
            case "suspend" | "go on":
                self.incident["spec"]["suspend"] = what == "suspend"
                workflow.suspend(what == "suspend")
            case "cancel":
                self.run.cancel()
            case _:
                answer = Approval(decision=what, by=who, groups=("sre",) if who == "carol" else ())
                self.answers.append(answer)
                workflow.approve(answer)
        self.run.settle()

    # The worker

    @precondition(_is_open)
    @rule(steps=st.integers(1, 30))
    def the_work_goes_on(self, steps):
        for _ in range(steps):
            self._step()

    @precondition(_is_open)
    @rule()
    def the_work_goes_on_to_the_next_write(self):
        for _ in range(60):
            if _is_about_to_write(self):
                return
            self._step()

    @precondition(_is_open)
    @rule(what=EVENT, value=VALUE)
    def something_happens_right_before_a_write(self, what, value):
        self.the_work_goes_on_to_the_next_write()
        self.something_happens(what, value)
        self._step()

    @precondition(_is_open)
    @rule(what=SAYS, who=PEOPLE, after=st.booleans())
    def somebody_says_something_around_a_write(self, what, who, after):
        self.the_work_goes_on_to_the_next_write()
        if after:
            self._step()
        if not self.run.done:
            self.somebody_says(what, who)
        self.the_work_goes_on(3)

    @precondition(_is_open)
    @rule(requests=REQUESTS, what=st.sampled_from(["pause", "release", "scale", "annotate", "recreate", "note"]))
    def something_happens_in_the_middle_of_a_write(self, requests, what):
        self.the_work_goes_on_to_the_next_write()
        if not self.run.calls:
            return
        kube, path = self.world.kube, f"{INCIDENTS}/web-{self.incidents}"
        note = {"metadata": {"annotations": {"note": "by another writer"}}}
        kube.plan(requests, lambda: kube.merge_patch(path, note) if what == "note" else self.world.happen(what, 0))
        self._do(self.run.calls[0])
        kube.forget()

    @precondition(_is_called)
    @rule(requests=REQUESTS, dies=st.booleans())
    def it_is_interrupted(self, requests, dies):
        """The worker dies, or the API server becomes unavailable, after this many requests."""

        def stop():
            raise WorkerDied if dies else Unavailable("away")

        call = self.run.calls[0]
        self.world.kube.plan(requests, stop)
        try:
            self._do(call)
        except WorkerDied:
            self.world.move(AGAIN)
            self.run.failed(call, None)
        self.world.kube.forget()

    @precondition(_is_about_to_write)
    @rule()
    def nobody_hears_its_answer(self):
        call = self.run.calls[0]
        with suppress(ApplicationError):
            self._perform(call)
        self.world.move(AGAIN)
        self.run.failed(call, None)

    @precondition(lambda self: self.orders)
    @rule(number=VALUE)
    def a_worker_that_seemed_dead_goes_on(self, number):
        """It performs an order that another worker has had since long ago; its result is discarded."""
        with suppress(ApplicationError):
            self._perform(self.orders[-1 - number % len(self.orders)])

    def _step(self):
        """The next step: an activity or a timer."""
        if self.run.done:
            return
        if self.run.calls:
            self._do(self.run.calls[0])
            self.world.move(1)
        elif (pause := self.run.next_timer()) is not None:
            self.world.move(min(pause, 3600.0) or 0.1)
        self.run.settle()

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
            since = self.world.web.healthy_since()
            assert since is not None, "said to be healed"
            assert (self.world.now - since).total_seconds() >= WINDOW, "said to be healed too early"
        return result

    # What must hold

    def _check_write(self, operations, before, after):
        order, meta = self.doing.argument, before["metadata"]
        assert [operation["value"] for operation in operations if operation["path"] == MARK] == [order.action_id]
        assert order.action_id not in self.effects, "one effect for each action"
        self.effects[order.action_id] = order
        event(f"writes {self.doing.name} {order.action.kind}")
        changes = [operation for operation in operations if operation["op"] != "test"]
        assert [one for one in changes if not self._is_ours(one, meta.get("annotations") or {})] == []
        assert {**before["spec"], "template": None} == {**after["spec"], "template": None}
        require = order.action.require
        assert (meta["uid"], template_hash(before["spec"]["template"])) == (require.uid, require.template_hash)
        assert (meta.get("annotations") or {}).get(LAST_ACTION, "") == require.last_action
        if self.doing.name == "repair":
            self._check_permission(before)
            self._check_announcement(order)
            self._check_action(order.action, before["spec"]["template"], after["spec"]["template"])

    def _is_ours(self, change, annotations):
        """The cause of a revision names Prunella, or is the owner's again."""
        if change["path"] != CAUSE:
            return OURS.fullmatch(change["path"])
        if self.doing.name == "undo":
            return change["value"] == annotations[CAUSE_BEFORE]
        return change["value"].startswith("Prunella: ")

    def _check_permission(self, before):
        policy, labels = self.world.policy, self.world.labels
        assert labels.get("prunella.dev/ignore") != "true"
        allowed = policy.get("mode") or ("Heal" if "prunella.dev/heal" in labels else "Observe")
        assert allowed == "Heal", "nothing is written where Prunella only observes"
        assert not before["spec"].get("paused")
        assert not before["metadata"].get("labels"), "owned elsewhere"
        if approvers := policy.get("approval", {}).get("approvers"):
            assert any(
                answer.decision == "Approved" and answer.is_by_one_of(tuple(approvers)) for answer in self.answers
            )

    def _check_announcement(self, order):
        status = self.incident["status"]
        assert not self.incident["spec"].get("suspend")
        assert (status["phase"], status["attempts"][-1]["actionId"]) == ("Repairing", order.action_id)
        assert "verdict" not in status["attempts"][-1], "it was given up"
        assert len([attempt for attempt in status["attempts"] if attempt.get("writtenAt")]) < ATTEMPTS
        busy = self.world.kube.objects.get(f"{INCIDENTS}/api-1", {"metadata": {}})["metadata"].get("labels")
        assert not (busy and self.world.policy.get("budgets", {}).get("concurrentPerNamespace")), "too many at once"

    def _check_action(self, action, before, after):
        if action.kind == "RestoreTemplate":
            assert self.world.policy.get("rollback") != "Freeze"
            assert template_hash(after) in self.world.web.good, "only to what was good"
        else:
            assert action.kind in {"SetMemory", "Restart"}
            assert _bare(before, "resources") == _bare(after, "resources"), "nothing but the memory or the stamp"

    @invariant()
    def an_end_leaves_what_it_should(self):
        if self.ended or not self.run.done:
            return
        self.ended = True
        status, live = self.run.workflow.get_state(), self.world.kube.objects[PATH]["spec"]["template"]
        assert status.phase.closed, status
        event(f"ends {status.phase} {status.reason}")
        in_force = [
            attempt
            for attempt in status.attempts
            if attempt.written_at and not attempt.undone and attempt.action != "Restart"
        ]
        continued = any(attempt.incident for attempt in status.attempts)
        if status.reason not in {"NotUndone", "OutcomeUnknown"}:
            own = [attempt for attempt in in_force if not attempt.incident]
            assert [attempt for attempt in own if attempt.verdict not in LEFT_AS_THEY_ARE] == []
            assert len(in_force) <= 1
            continues = continued and self.world.web.wanted is self.found  # and its owner has released nothing since
            wanted = self.owned if continues else self.world.web.wanted
            assert in_force or _bare(live) == _bare(wanted), "what the owner wants is there again"
        if in_force and not continued:
            self.owned = self.world.web.wanted
        self.found = self.world.web.wanted = live  # what people find is what they go on from

    @invariant()
    def nothing_is_undone_that_was_not_made(self):
        made = {action for action in self.effects if not action.endswith("-undo")}
        assert {action.removesuffix("-undo") for action in self.effects} == made


def _bare(template, *but):
    """A template without restart stamps, and without these fields of its containers."""
    meta, spec = template["metadata"], template["spec"]
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != RESTARTED_AT}
    containers = [
        {key: value for key, value in container.items() if key not in but} for container in spec["containers"]
    ]
    return {**meta, "annotations": annotations}, {**spec, "containers": containers}


Ladder.TestCase.settings = settings(
    deadline=None, max_examples=settings().max_examples * 6 // 10, stateful_step_count=40
)
TestLadder = Ladder.TestCase
