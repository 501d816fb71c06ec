"""One trace from the start of an incident to its end, whatever is replayed, moved, retried or cancelled."""

from collections import Counter

import pytest
from builders import a_request
from support import spans
from workflow.conftest import HealingEnv
from workflow.healing_env import (
    NOT_HEALED,
    SETTLING,
    ScriptedActivities,
    cancel_and_see,
    ending,
    healing_worker,
    raised,
    start_time_skipping,
    written,
)

from prunella_operator.observability import tracing
from prunella_operator.observability.interceptors import TracingInterceptor
from prunella_workflows.model.errors import Conflict
from prunella_workflows.model.trace_context import TraceContext

ALERT = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture
async def traced():
    interceptor = TracingInterceptor(spans.traces().emit)
    spans.EXPORTER.clear()
    async with start_time_skipping(interceptors=[interceptor]) as environment:
        yield HealingEnv(environment)


async def run_incident(traced, activities, **options):
    async with healing_worker(traced.client, activities, **options):
        with tracing.span("incident:start", {}, parent=ALERT):
            handle = await traced.start_incident()
        return await handle.result()


async def test_the_tree_of_a_healing(traced):
    await run_incident(traced, ScriptedActivities())
    names = ["report", "confirm", "diagnose", "report", "repair", "report", "verify", "report", "verify", "close"]
    assert spans.tree() == [
        "incident:start",
        "  workflow:SelfHealing",
        *(f"    activity:{name}" for name in names),
    ]
    assert {f"{span.context.trace_id:032x}" for span in spans.EXPORTER.get_finished_spans()} == {ALERT.trace_id}


async def test_the_workflow_says_how_it_ended(traced):
    await run_incident(traced, ScriptedActivities())
    (span,) = spans.named("workflow:SelfHealing")
    said = dict(span.attributes)
    assert said.pop("workflow.run_id")
    assert said == {
        "workflow.id": f"incident-{a_request().incident.uid}",
        "workflow.type": "SelfHealing",
        "task_queue": "prunella-test",
        "prunella.phase": "Healed",
        "prunella.reason": "Stable",
        "prunella.cause": "pod_oom_killed",
        "prunella.action": "SetMemory",
        "prunella.verdict": "Healed",
    }
    assert span.end_time > span.start_time


async def test_nothing_is_told_twice_and_nothing_lost_when_every_task_is_replayed(traced):
    activities = ScriptedActivities(verify=[SETTLING, NOT_HEALED, SETTLING, SETTLING])
    activities.script["verify"].append(activities.script["verify"][1])
    await run_incident(traced, activities, max_cached_workflows=0)
    ids = Counter((span.name, span.context.span_id) for span in spans.EXPORTER.get_finished_spans())
    assert [one for one, times in ids.items() if times > 1] == []
    assert len(spans.named("workflow:SelfHealing")) == 1
    assert spans.orphans() == ["incident:start"]  # its parent is the alert's


async def test_each_attempt_has_its_span_and_a_failed_one_says_why(traced):
    activities = ScriptedActivities(repair=[raised(Conflict("password=hunter2 moved")), written])
    await run_incident(traced, activities)
    first, second = sorted(spans.named("activity:repair"), key=lambda one: one.start_time)
    assert [one.attributes["attempt"] for one in (first, second)] == [1, 2]
    assert not first.status.is_ok
    assert second.status.is_ok
    assert "hunter2" not in str(first.to_json())


async def test_a_cancelled_workflow_has_its_span(traced):
    async def cancel(_):
        await cancel_and_see(traced.handle)
        return SETTLING

    async with healing_worker(traced.client, ScriptedActivities(verify=[cancel])):
        with tracing.span("incident:start", {}):
            handle = await traced.start_incident()
        assert await ending(handle) == "Cancelled"
    (span,) = spans.named("workflow:SelfHealing")
    assert span.status.description == "cancelled"


async def test_who_starts_without_a_trace_gets_none(traced):
    await traced.run_incident(ScriptedActivities())
    assert spans.tree() == []


@pytest.mark.parametrize("text", ["", "00-0-0-01", f"00-{'0' * 32}-{'1' * 16}-01", "ff", "00-" + "x" * 32 + "-1-01"])
def test_nonsense_is_no_context(text):
    assert TraceContext.parse(text) is None


def test_a_context_reads_what_it_writes():
    assert TraceContext.parse(str(ALERT)) == ALERT
