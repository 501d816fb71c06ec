"""Budgets hold however many repairs come at once: all interleavings of a small crowd, one request at a time."""

import json
from contextlib import ExitStack

import pytest
from builders import a_guard_case, a_memory_raise, a_policy
from fakes.kube import FakeKube, failing
from fakes.objects import announced
from fakes.steps import Actor
from hypothesis import given, settings
from hypothesis import strategies as st

from prunella_operator.activities.repair import repair_slots
from prunella_operator.activities.repair.repair_slots import RepairSlotAllocator
from prunella_operator.kubernetes import paths
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model import labels
from prunella_workflows.model.errors import ChangedSince, Conflict, Held, Refused, Unavailable
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.workload import WorkloadRef

HOUR = "%Y-%m-%dT%H"


def ref(name="web", namespace="shop"):
    return IncidentRef(namespace=namespace, name=name, uid=f"uid-{namespace}-{name}")


def order_of(incident, number=1, workload=None):
    target = WorkloadRef(kind="Deployment", namespace=incident.namespace, name=workload or incident.name)
    action = a_memory_raise(target=target)
    return RepairOrder(incident=incident, action_id=f"{incident.uid}-{number}", action=action)


def case_of(order, **budgets):
    workload = a_guard_case().workload.model_copy(update={"ref": order.action.target})
    policy = a_policy(budgets={"concurrentPerNamespace": 100, "concurrentPerCluster": 100, **budgets})
    return a_guard_case(workload=workload, incident=order.incident.name, policy=policy, action=order.action)


def path_of(incident):
    return paths.incidents(incident.namespace, incident.name)


def live(kube, incident):
    return kube.objects[path_of(incident)]


def marks(kube, incident):
    meta = live(kube, incident)["metadata"]
    note = (meta.get("annotations") or {}).get(labels.REPAIR_SLOTS)
    return (meta.get("labels") or {}).get(labels.REPAIR_SLOT), json.loads(note) if note else None


def take(kube, order, **budgets):
    with RepairSlotAllocator(kube).acquire(order, case_of(order, **budgets)):
        pass


@pytest.fixture
def kube():
    return FakeKube()


@pytest.fixture
def order(kube):
    announced(kube, ref(), f"{ref().uid}-1")
    return order_of(ref())


def test_a_turn_leaves_its_marks(kube, order):
    take(kube, order)
    label, note = marks(kube, order.incident)
    assert label == next(iter(note["taken"].values()))[:13]
    assert note == {"target": "Deployment/web", "taken": {order.action_id: note["taken"][order.action_id]}}
    assert [write[0] for write in kube.writes] == ["merge_patch", "merge_patch"]  # it asked, then it took


def dies(kube, incident):
    """Someone deletes it, and a finalizer of his own keeps it."""
    live(kube, incident)["metadata"] |= {"deletionTimestamp": "2026-11-25T10:00:00Z", "finalizers": ["example.org/x"]}


def test_an_incident_that_is_being_deleted_counts_for_no_budget_and_gets_no_slot(kube, order):
    other = order_of(ref("other"))
    announced(kube, other.incident, other.action_id)
    take(kube, other, perHourPerNamespace=1)
    dies(kube, other.incident)
    take(kube, order, perHourPerNamespace=1)
    with pytest.raises(ChangedSince, match="is being deleted"):
        take(kube, order_of(ref("other"), 1))


NONSENSE = [
    "{",
    "[" * 100_000,
    "7",
    '{"taken": 7, "target": 7}',
    '{"taken": {"a": "yesterday", "b": "2026-11-24T09:00:00", "c": 7, "d": {}}}',
]


@pytest.mark.parametrize("note", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_on_one_incident_keeps_no_other_from_its_turn(kube, order, note):
    """Anyone who may annotate one incident must not be able to stop the repairs of a cluster."""
    other = ref("other", namespace="elsewhere")
    announced(kube, other, f"{other.uid}-1")
    take(kube, order_of(other))
    live(kube, other)["metadata"]["annotations"][labels.REPAIR_SLOTS] = note
    take(kube, order, perHourPerCluster=1)
    assert marks(kube, order.incident)[1]["taken"].keys() == {order.action_id}


def test_nonsense_on_ones_own_incident_is_written_over(kube, order):
    live(kube, order.incident)["metadata"]["annotations"] = {labels.REPAIR_SLOTS: "{"}
    take(kube, order)
    assert marks(kube, order.incident)[1]["taken"].keys() == {order.action_id}


def test_a_repeated_order_has_its_turn_already(kube, order):
    take(kube, order)
    before = marks(kube, order.incident)
    take(kube, order, concurrentPerNamespace=1)
    assert marks(kube, order.incident) == before


def test_a_later_attempt_keeps_the_earlier_turns(kube, order):
    take(kube, order)
    live(kube, order.incident)["status"]["attempts"] += [{"actionId": f"{order.incident.uid}-2"}]
    take(kube, order_of(order.incident, 2))
    _, note = marks(kube, order.incident)
    assert list(note["taken"]) == [f"{order.incident.uid}-1", f"{order.incident.uid}-2"]


@pytest.mark.parametrize(
    ("budget", "error", "message"),
    [
        (
            {"concurrentPerNamespace": 1},
            Held,
            r"guard Concurrency blocks now: 1 repair\(s\) are running in this namespace; the policy allows 1 at once.",
        ),
        ({"concurrentPerCluster": 1}, Held, "running in this cluster"),
        ({"perHourPerNamespace": 1}, ChangedSince, "the budget of this namespace is 1 per hour"),
        ({"perHourPerCluster": 1}, ChangedSince, "the budget of this cluster is 1 per hour"),
    ],
)
def test_a_budget_that_is_full_by_now(kube, order, budget, error, message):
    other = order_of(ref("api"))
    announced(kube, other.incident, other.action_id)
    take(kube, other)
    with pytest.raises(error, match=message):
        take(kube, order, **budget)
    assert marks(kube, order.incident) == (None, None)


def test_the_same_workload_cools_down_at_the_write_too(kube, order):
    twin = order_of(ref("web-by-hand"), workload="web")
    announced(kube, twin.incident, twin.action_id)
    take(kube, twin)
    with pytest.raises(ChangedSince, match="guard Cooldown blocks now: Incident web-by-hand repaired Deployment/web"):
        take(kube, order)


def test_the_budget_of_the_hour_counts_every_attempt(kube, order):
    take(kube, order)
    live(kube, order.incident)["status"]["attempts"] += [{"actionId": f"{order.incident.uid}-2"}]
    with pytest.raises(ChangedSince, match="the budget of this workload is"):
        take(kube, order_of(order.incident, 2), perHourPerWorkload=1)
    label, note = marks(kube, order.incident)
    assert (len(label), len(note["taken"])) == (13, 1)


def test_a_repair_that_is_over_runs_no_more(kube, order):
    other = order_of(ref("api"))
    announced(kube, other.incident, other.action_id)
    take(kube, other)
    live(kube, other.incident)["status"]["phase"] = "Healed"
    take(kube, order, concurrentPerNamespace=1, concurrentPerCluster=1)


def test_who_would_have_to_wait_does_not_ask(kube, order):
    other = order_of(ref("api"))
    announced(kube, other.incident, other.action_id)
    take(kube, other)
    kube.writes.clear()
    with pytest.raises(Held):
        take(kube, order, concurrentPerNamespace=1)
    assert kube.writes == []


def test_a_crowd_is_sent_away_and_not_kept_waiting(kube):
    slots = RepairSlotAllocator(kube)
    with ExitStack() as stack:
        for _ in range(repair_slots._MAX_LOCAL_REPAIRS):
            stack.enter_context(slots.local_limit())
        with pytest.raises(Unavailable, match="this process is busy with other repairs") as raised, slots.local_limit():
            pass
        assert raised.value.again == 20
    with slots.local_limit():
        pass


def test_a_repair_that_is_not_made_gives_its_turn_back(kube, order):
    with pytest.raises(Refused), RepairSlotAllocator(kube).acquire(order, case_of(order)):
        raise Refused("exceeded quota")
    assert marks(kube, order.incident) == (None, None)


def test_a_repair_whose_outcome_is_open_keeps_its_turn(kube, order):
    with pytest.raises(Conflict), RepairSlotAllocator(kube).acquire(order, case_of(order)):
        raise Conflict("moved")
    assert order.action_id in marks(kube, order.incident)[1]["taken"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"phase": "Diagnosing"}, Held, id="the announcement could not be written"),
        pytest.param({"attempts": [{"actionId": "another"}]}, Held, id="another order is announced: this one is old"),
        pytest.param({"attempts": []}, Held, id="no attempt"),
        pytest.param(
            {"attempts": [{"actionId": f"{ref().uid}-1", "verdict": "NotApplied"}]},
            Held,
            id="it was given up meanwhile",
        ),
    ],
)
def test_only_an_announced_repair_has_a_turn(kube, order, change, error):
    live(kube, order.incident)["status"].update(change)
    with pytest.raises(error):
        take(kube, order)
    assert kube.writes == []


def test_a_suspended_incident_has_no_turn(kube, order):
    live(kube, order.incident)["spec"]["suspend"] = True
    with pytest.raises(Held, match="incident web is suspended"):
        take(kube, order)


def test_a_deleted_incident_has_no_turn(kube, order):
    del kube.objects[path_of(order.incident)]
    with pytest.raises(ChangedSince, match="incident web was deleted"):
        take(kube, order)


def test_a_namesake_is_not_it(kube, order):
    live(kube, order.incident)["metadata"]["uid"] = "another"
    with pytest.raises(ChangedSince, match="recreated"):
        take(kube, order)


def test_somebody_who_writes_to_the_incident_meanwhile_only_costs_another_look(kube, order):
    left = [2]

    def meddle(method, path):
        if method == "PATCH" and left[0]:
            left[0] -= 1
            kube._store(path, {**live(kube, order.incident), "status": live(kube, order.incident)["status"]})

    kube.before = meddle
    take(kube, order)
    assert order.action_id in marks(kube, order.incident)[1]["taken"]


def test_an_incident_that_never_stands_still_is_tried_again_later(kube, order):
    kube.before = failing(Conflict("modified"), times=100, method="PATCH")
    with pytest.raises(Conflict, match="changes faster than its repair can acquire a slot"):
        take(kube, order)


def test_an_api_server_that_is_away_is_asked_again(kube, order):
    kube.before = failing(Unavailable("away"), times=1, method="PATCH")
    with pytest.raises(Unavailable):
        take(kube, order)
    take(kube, order)


def test_what_asks_for_ever_because_its_worker_died_counts_only_while_its_repair_is_announced(kube, order):
    dead = order_of(ref("api"))
    announced(kube, dead.incident, dead.action_id, labels={labels.REPAIR_SLOT: repair_slots.REQUESTED})
    announced(kube, order.incident, order.action_id)  # it asks later
    with pytest.raises(Held):
        take(kube, order, concurrentPerNamespace=1)
    live(kube, dead.incident)["status"]["phase"] = "Diagnosing"
    take(kube, order, concurrentPerNamespace=1)


# A crowd


class Crowd:
    """Incidents that all want to be repaired at once, and someone who writes to them now and then."""

    def __init__(self, budgets, names):
        self.kube = FakeKube()
        self.budgets = budgets
        self.orders = [order_of(ref(f"web-{number}", namespace)) for number, namespace in enumerate(names)]
        for order in self.orders:
            announced(self.kube, order.incident, order.action_id)
        self.actors = [Actor(self.kube, self._repairing(order)) for order in self.orders]
        self.actors += [Actor(self.kube, self._meddling)]

    def _repairing(self, order):
        """As the workflow does it: an order is announced, not now means later, a written one is watched to its end."""

        def work(api):
            current, number = order, 1
            while not self._try(api, current):
                number += 1
                current = order_of(order.incident, number)
                self._tell(api, order, "Diagnosing")
                self._tell(api, order, "Repairing", attempts=[{"actionId": current.action_id}])
            self._tell(api, order, "Verifying")
            self._tell(api, order, "Healed")

        return work

    def _try(self, api, order):
        try:
            with RepairSlotAllocator(api).acquire(order, case_of(order, **self.budgets)):
                return True
        except (Held, Conflict):
            return False

    def _tell(self, api, order, phase, **status):
        api.merge_patch(f"{path_of(order.incident)}/status", {"status": {"phase": phase, **status}})

    def _meddling(self, api):
        for number, order in enumerate(self.orders * 2):
            api.merge_patch(path_of(order.incident), {"metadata": {"annotations": {"seen-by-kopf": str(number)}}})

    def again(self, number):
        """A worker seemed dead and another got its order; now it continues nevertheless."""
        order = self.orders[number]
        self.actors.append(Actor(self.kube, lambda api: self._try(api, order)))

    def running(self, namespace=""):
        return [
            obj["metadata"]["name"]
            for obj in self.kube.objects.values()
            if obj["status"]["phase"] in ("Repairing", "Verifying")
            and (obj["metadata"].get("labels") or {}).get(labels.REPAIR_SLOT, repair_slots.REQUESTED)
            != repair_slots.REQUESTED
            and obj["metadata"]["namespace"].startswith(namespace)
        ]

    def check(self):
        assert len(self.running()) <= self.budgets.get("concurrentPerCluster", 100)
        for namespace in ("shop", "bank"):
            assert len(self.running(namespace)) <= self.budgets.get("concurrentPerNamespace", 100)

    def step(self, choice):
        moving = [actor for actor in self.actors if not actor.done]
        if moving:
            moving[choice % len(moving)].step()
            self.check()

    def play(self, choices):
        """Step by choice, then round-robin until all are done: none starves."""
        for choice in choices:
            self.step(choice)
        for _ in range(400):
            for actor in self.actors:
                if not actor.done:
                    actor.step()
                    self.check()
            if all(actor.done for actor in self.actors):
                return
        pytest.fail("an actor starves")


BUDGETS = st.fixed_dictionaries(
    {}, optional={"concurrentPerNamespace": st.integers(1, 2), "concurrentPerCluster": st.integers(1, 3)}
)
CROWD = st.lists(st.sampled_from(["shop", "bank"]), min_size=2, max_size=5)
CHOICES = st.lists(st.integers(0, 11), max_size=120)


@settings(deadline=None)
@given(BUDGETS, CROWD, CHOICES)
def test_no_interleaving_exceeds_a_budget_and_nobody_starves(budgets, names, choices):
    Crowd(budgets, names).play(choices)


@settings(deadline=None)
@given(CROWD, CHOICES, st.lists(st.integers(0, 1), min_size=1, max_size=2))
def test_nor_does_one_with_orders_that_are_given_to_a_second_worker(names, choices, twice):
    crowd = Crowd({"concurrentPerCluster": 1}, names)
    for number, split in zip(twice, (20, 50), strict=False):
        for choice in choices[:split]:
            crowd.step(choice)
        crowd.again(number)
    crowd.play(choices[70:])


@settings(deadline=None)
@given(st.integers(1, 4), CHOICES)
def test_of_a_crowd_that_asks_at_once_exactly_the_budget_passes(budget, choices):
    crowd = Crowd({"perHourPerNamespace": budget}, [])
    crowd.orders = [order_of(ref(f"web-{number}")) for number in range(5)]
    passed = []

    def once(order):
        def work(api):
            try:
                with RepairSlotAllocator(api).acquire(order, case_of(order, **crowd.budgets)):
                    passed.append(order.incident.name)
            except ChangedSince:
                pass

        return work

    for order in crowd.orders:
        announced(crowd.kube, order.incident, order.action_id)
    crowd.actors = [Actor(crowd.kube, once(order)) for order in crowd.orders]
    crowd.play(choices)
    assert len(passed) == budget
