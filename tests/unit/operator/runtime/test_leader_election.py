"""Leadership, in virtual time: machines with separate clocks are paused, cut off, killed, and terminated."""

import asyncio
from contextlib import contextmanager

import pytest
from fakes.nodes import Node, World
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from prunella_operator.kubernetes import paths
from prunella_operator.runtime.leader_election import LeaderElector, NotLeader, Timing
from prunella_workflows.model.errors import Forbidden, Unavailable

TIMING = Timing(6)
PATH = paths.leases("prunella-system", "prunella-operator")
AT_MOST = 7.5  # seconds from the loss of a leader to the next one: the lease, one look, and the way there


class Operator:
    """A candidate on its own machine. Its work records when it runs, and may take a while to stop."""

    def __init__(self, world, name, takes=0.0, fails=None, **machine):
        self.world = world
        self.node = Node(world, **machine)
        self.elector = LeaderElector(
            self.node.rest, "prunella-system", "prunella-operator", TIMING, identity=name, now=self.node.clock
        )
        self.works = 0
        self._takes, self._fails = takes, fails
        self.node.start(self.elector.run(self._work))

    async def _work(self):
        self.works += 1
        try:
            if self._fails:
                raise self._fails
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self._takes)

    @property
    def leads(self):
        return self.node in self.world.nodes and self.elector.leading

    @property
    def acts(self):
        return self.leads and not self.node.paused


@contextmanager
def a_world():
    made = World()
    made.operators = []
    made.after = lambda: never_two(made)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def world():
    with a_world() as made:
        yield made


def never_two(world):
    assert sum(operator.leads for operator in world.operators) <= 1


def candidate(world, name, **machine):
    world.operators.append(Operator(world, name, **machine))
    return world.operators[-1]


def one_leads(*operators):
    return lambda: any(operator.acts for operator in operators)


@pytest.fixture
def pair(world):
    """A leader, and one that stands by."""
    first = candidate(world, "a")
    world.until(one_leads(first), AT_MOST)
    second = candidate(world, "b")
    world.run(20)
    assert first.leads
    return first, second


def lease(world):
    return world.kube.objects[PATH]["spec"]


def test_the_first_leads_and_the_second_stands_by(world, pair):
    first, second = pair
    assert (first.works, second.works) == (1, 0)
    assert lease(world)["holderIdentity"] == "a"
    assert lease(world)["leaseDurationSeconds"] == 6
    assert (first.elector.problem, second.elector.problem) == ("", "")


def test_who_is_killed_is_followed_in_time(world, pair):
    first, second = pair
    first.node.kill()
    assert world.until(one_leads(second), 10) <= AT_MOST
    assert second.works == 1
    assert lease(world)["leaseTransitions"] == 2


def test_who_ends_in_order_is_followed_at_once(world, pair):
    first, second = pair
    first.node.stop()
    assert world.until(one_leads(second), 10) <= 1.1
    assert first.node.ended


def test_the_lead_is_given_back_only_after_the_work_has_ended(world):
    first = candidate(world, "a", takes=2.0)
    world.until(one_leads(first), AT_MOST)
    candidate(world, "b")
    world.run(3)
    first.node.stop()
    world.run(1.9)
    assert lease(world)["holderIdentity"] == "a"
    world.run(0.2)
    assert lease(world)["holderIdentity"] == ""


@pytest.mark.parametrize("pause", [5.0, 30.0])
def test_who_was_paused_while_it_led_may_not_write_when_it_wakes(world, pair, pause):
    first, second = pair
    first.node.paused = True
    world.run(pause)
    first.node.paused = False
    with pytest.raises(NotLeader):  # asked before anything of its event loop ran
        first.elector.check()
    world.run(10)
    assert sum(operator.leads for operator in (first, second)) == 1
    assert second.leads is (pause > TIMING.lease)


def test_who_stands_by_and_was_paused_takes_nothing_when_it_wakes(world, pair):
    first, second = pair
    second.node.paused = True
    world.run(60)
    second.node.paused = False
    world.run(20)
    assert (first.leads, first.works, second.works) == (True, 1, 0)


@pytest.mark.parametrize("how", ["hangs", "refuses", "one-way"])
def test_who_is_cut_off_stops_before_the_other_begins(world, pair, how):
    first, second = pair
    first.node.cut = how
    stopped = world.until(lambda: not first.leads, 10)
    took = stopped + world.until(one_leads(second), 10)
    assert stopped <= TIMING.lead_duration + 0.1
    assert took - stopped >= 1.5
    # What it sent counts as a sign of life for as long as it sends.
    assert took <= AT_MOST + (stopped if how == "one-way" else 0)
    first.node.cut = ""
    world.run(20)
    assert (first.leads, second.leads) == (False, True)


def test_who_finds_its_lease_untouched_leads_again(world):
    """The API server was away for everybody."""
    first = candidate(world, "a")
    world.until(one_leads(first), AT_MOST)
    first.node.cut = "refuses"
    world.run(60)
    assert not first.leads
    assert first.elector.problem == "connection refused"
    first.node.cut = ""
    world.run(2.2)  # at most one look, and one renewal
    assert (first.leads, first.works) == (True, 2)


def test_a_lost_answer_costs_nobody_the_lead(world, pair):
    first, second = pair
    first.node.cut = "one-way"
    world.run(1.5)
    first.node.cut = ""
    world.run(20)
    assert (first.leads, first.works, second.works) == (True, 1, 0)


def test_of_two_that_take_it_at_once_one_has_it(world, pair):
    first, second = pair
    third = candidate(world, "c")
    world.run(3)
    first.node.kill()
    world.until(one_leads(second, third), AT_MOST)
    world.run(30)
    assert second.works + third.works == 1


def test_times_of_day_mean_nothing(world, pair):
    first, second = pair
    lease(world)["renewTime"] = "1999-01-01T00:00:00.000000Z"
    world.run(0.3)
    assert not second.leads
    first.node.kill()
    lease(world)["renewTime"] = "2999-01-01T00:00:00.000000Z"
    assert world.until(one_leads(second), 10) <= AT_MOST


def test_a_lease_of_another_length_counts_for_as_long_as_it_says(world, pair):
    """Operators of two settings, in the middle of a change of them."""
    first, second = pair
    first.node.kill()
    lease(world)["leaseDurationSeconds"] = 30
    world.kube.merge_patch(PATH, {"spec": {"renewTime": "touched"}})
    assert 29 <= world.until(one_leads(second), 40) <= 31.1


def test_a_deleted_lease_takes_the_lead_from_nobody(world, pair):
    first, second = pair
    world.kube.delete(PATH)
    world.run(30)
    assert (first.works, second.works) == (1, 0)
    assert lease(world)["holderIdentity"] == "a"


def test_who_is_robbed_stops(world, pair):
    first, _ = pair
    world.after = lambda: None  # someone who edits the Lease by hand is stronger than we are
    world.kube.merge_patch(PATH, {"spec": {"holderIdentity": "someone else"}})
    world.run(2.1)
    assert not first.leads


@pytest.mark.parametrize("error", [Forbidden("leases is forbidden"), Unavailable("no etcd leader")])
def test_who_may_not_take_part_says_why_and_goes_on_asking(world, error):
    allowed = []

    def refuse(_method, _path):
        if not allowed:
            raise error

    world.kube.before = refuse
    first = candidate(world, "a")
    world.run(20)
    assert first.elector.problem == str(error)
    allowed.append(True)
    world.until(one_leads(first), AT_MOST)
    assert first.elector.problem == ""


def test_an_error_of_the_work_ends_it_all_and_the_lease_is_given_back(world):
    first = candidate(world, "a", fails=ValueError("why"))
    world.run(10)
    assert first.node.ended
    with pytest.raises(ValueError, match="why"):
        first.node._task.result()
    assert lease(world)["holderIdentity"] == ""


FAULTS = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["pause", "hangs", "refuses", "one-way", "kill", "stop", "slow", "delete"]),
    st.floats(0.1, 15),
)
CLOCKS = st.tuples(st.floats(0.9, 1.1), st.floats(-1e6, 1e6))


@hypothesis(max_examples=100, deadline=None)
@given(st.lists(CLOCKS, min_size=3, max_size=3), st.lists(FAULTS, max_size=12))
def test_whatever_happens_there_are_never_two_and_at_last_there_is_one(clocks, faults):
    with a_world() as world:
        for number, (rate, offset) in enumerate(clocks):
            candidate(world, f"n{number}", rate=rate, offset=offset)
        for which, what, seconds in faults:
            inject(world, which, what)
            world.run(seconds)
            repair(world, which)
        world.until(one_leads(*world.operators), 10)
        world.run(30)
        assert sum(operator.leads for operator in world.operators) == 1


def inject(world, which, what):
    operator = world.operators[which]
    if what == "delete":
        world.kube.objects.pop(PATH, None)
    elif what == "kill":
        operator.node.kill()
    elif what == "stop":
        operator.node.stop()
    elif what == "pause":
        operator.node.paused = True
    elif what == "slow":
        operator.node.delay = 1.0
    else:
        operator.node.cut = what


def repair(world, which):
    operator = world.operators[which]
    operator.node.paused, operator.node.cut, operator.node.delay = False, "", 0.01
    if operator.node not in world.nodes or operator.node.ended:
        world.operators[which] = Operator(
            world, f"{which}-{world.now}", rate=operator.node.rate, offset=operator.node.offset
        )
