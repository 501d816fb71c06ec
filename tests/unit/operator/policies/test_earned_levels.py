"""The levels that a policy's status shows, and what they cost."""

import asyncio

import msgspec
import pytest
from builders import NOW, WEB
from fakes.kube import FakeRest

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.track_records import TrackRecords, WatchedTrackRecords
from prunella_operator.policies import earned_levels
from prunella_operator.policies.earned_levels import EarnedLevels, Surroundings
from prunella_operator.policies.objects import Policy
from prunella_workflows.model.autonomy import Trial
from prunella_workflows.model.policy_merge import merge_layers

ENABLED = {"autonomy": {"enabled": True}, "mode": "Heal"}


class CountedRecords(WatchedTrackRecords):
    reads = 0

    async def all(self):
        CountedRecords.reads += 1
        return await super().all()


@pytest.fixture
def rest():
    CountedRecords.reads = 0
    return FakeRest()


@pytest.fixture
def levels(rest):
    return EarnedLevels(CountedRecords(rest))


@pytest.fixture
def time(monkeypatch):
    moments = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: moments[0])
    return moments


def a_policy(spec, namespace="shop", name="trust"):
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"}
    return msgspec.convert({"metadata": meta, "spec": spec}, Policy)


def earn(rest, successes, ref=WEB, action="SetMemory"):
    trials = [
        Trial(id=f"{action}-{n}", action=action, succeeded=True, incident="web-0", at=NOW) for n in range(successes)
    ]
    TrackRecords(rest.kube).add(ref, trials)


def around(*policies, labels=None, uid=WEB.uid):
    return Surroundings(policies, {"shop": {"stage": "production"}}, {uid: ("shop", labels or {"app": "web"})})


async def shown(levels, policy, *others, **values):
    await levels.refresh([policy])
    found = await levels.of_policy(policy, around(policy, *others, **values))
    return [(one.workload, one.action, one.level.value) for one in found]


async def test_each_action_of_each_workload_is_shown_with_its_reasons(levels, rest):
    earn(rest, 7)
    earn(rest, 20, action="Restart")
    policy = a_policy(ENABLED)
    assert sorted(await shown(levels, policy)) == [
        ("shop/Deployment/web", "Restart", "Heal"),
        ("shop/Deployment/web", "SetMemory", "Approval"),
    ]
    memory = (await levels.of_policy(policy, around(policy)))[-1]
    assert "verified repairs and observed plans succeeded" in memory.message


async def test_an_action_that_could_never_leave_observe_begins_at_approval(levels, rest):
    earn(rest, 1)
    earn(rest, 1, action="Scale")
    assert await shown(levels, a_policy(ENABLED)) == [
        ("shop/Deployment/web", "Scale", "Approval"),
        ("shop/Deployment/web", "SetMemory", "Observe"),
    ]


async def test_the_mode_is_the_limit_and_said(levels, rest):
    earn(rest, 20)
    policy = a_policy({**ENABLED, "mode": "Observe"})
    assert await shown(levels, policy) == [("shop/Deployment/web", "SetMemory", "Observe")]
    (level,) = await levels.of_policy(policy, around(policy))
    assert level.message.endswith("Heal is earned, and the mode is Observe.")


async def test_the_rule_is_that_of_the_merged_policy(levels, rest):
    earn(rest, 7)
    stricter = a_policy({"selector": {"matchLabels": {"app": "web"}}, "autonomy": {"approvalAbove": 0.9}}, name="web")
    assert await shown(levels, a_policy(ENABLED), stricter) == [("shop/Deployment/web", "SetMemory", "Observe")]


@pytest.mark.parametrize(
    "spec", [{**ENABLED, "selector": {"matchLabels": {"app": "db"}}}, {**ENABLED, "grace": "soon"}]
)
async def test_workloads_of_others_and_invalid_policies_show_nothing(levels, rest, spec):
    earn(rest, 7)
    assert await shown(levels, a_policy(spec)) == []


async def test_a_policy_of_the_cluster_shows_those_of_its_namespaces(levels, rest):
    earn(rest, 7)
    here = {**ENABLED, "namespaceSelector": {"matchLabels": {"stage": "production"}}}
    there = {**ENABLED, "namespaceSelector": {"matchLabels": {"stage": "test"}}}
    assert len(await shown(levels, a_policy(here, ""))) == 1
    assert await shown(levels, a_policy(there, "")) == []


async def test_deleted_workloads_are_not_shown(levels, rest):
    earn(rest, 7)
    assert await shown(levels, a_policy(ENABLED), uid="uid-of-another") == []


async def test_it_is_bounded(levels, rest):
    for number in range(100):
        earn(rest, 1, action=f"Action{number:03}")
    assert len(await shown(levels, a_policy(ENABLED))) == 64


async def test_the_policies_of_a_workload_are_merged_once_in_a_look(levels, rest, monkeypatch):
    merged = []
    monkeypatch.setattr(earned_levels, "merge_layers", lambda *args: merged.append(1) or merge_layers(*args))
    earn(rest, 7)
    policies = [a_policy(ENABLED, name=f"trust-{number}") for number in range(3)]
    await levels.refresh(policies)
    for _ in range(2):
        look = around(*policies)
        for policy in policies:
            assert len(await levels.of_policy(policy, look)) == 1
    assert len(merged) == 2


async def test_a_look_at_many_records_lets_other_tasks_run(levels, rest):
    for number in range(9):
        ref = WEB.model_copy(update={"name": f"web-{number}", "uid": f"uid-{number}"})
        earn(rest, 1, ref)
    policy = a_policy(ENABLED)
    await levels.refresh([policy])
    look, turns = asyncio.create_task(levels.of_policy(policy, around(policy))), 0
    while not look.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 9


async def test_while_no_policy_enables_it_nothing_is_read(levels, time):
    time[0] = 1000.0
    off = a_policy({"autonomy": {"enabled": False}})
    assert not await levels.refresh([off, a_policy({}), a_policy({"autonomy": "yes"})])
    assert (CountedRecords.reads, await levels.of_policy(off, around(off))) == (0, None)


async def test_records_are_read_once_a_minute(levels, rest, time):
    earn(rest, 7)
    policy = a_policy(ENABLED)
    changes = []
    for time[0] in (0.0, 2.0, 59.0, 60.0, 121.0):
        changes.append(await levels.refresh([policy]))
        if time[0] == 60.0:
            earn(rest, 9)
    assert (changes, CountedRecords.reads) == ([True, False, False, False, True], 3)


def test_records_are_in_their_own_namespace():
    assert paths.track_records("prunella-records") == "/api/v1/namespaces/prunella-records/configmaps"
