"""One trace from the start of an incident to its end, whatever is replayed, moved, retried or cancelled."""

from collections import Counter

import pytest
from builders import a_request
from support import spans
from workflow.conftest import Stage
from workflow.harness import NOT_HEALED, SETTLING, Hands, cancel_and_see, ending, performing, raised, stage, written

from prunella_operator.observability import tracing
from prunella_operator.observability.interceptors import TracingInterceptor
from prunella_workflows.model.errors import Conflict
from prunella_workflows.temporal.tracing import TraceContext

ALERT = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture
async def traced():
    interceptor = TracingInterceptor(spans.traces().emit)
    spans.EXPORTER.clear()
    async with stage(interceptors=[interceptor]) as environment:
        yield Stage(environment)


async def play(traced, hands, **options):
    async with performing(traced.client, hands, **options):
        with tracing.span("incident:start", {}, parent=ALERT):
            handle = await traced.begin()
        return await handle.result()


async def test_the_tree_of_a_healing(traced):
    await play(traced, Hands())
    names = ["report", "confirm", "diagnose", "report", "repair", "report", "verify", "report", "verify", "close"]
    assert spans.tree() == [
        "incident:start",
        "  workflow:SelfHealing",
        *(f"    activity:{name}" for name in names),
    ]
    assert {f"{span.context.trace_id:032x}" for span in spans.EXPORTER.get_finished_spans()} == {ALERT.trace_id}


async def test_the_workflow_says_how_it_ended(traced):
    await play(traced, Hands())
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
    hands = Hands(verify=[SETTLING, NOT_HEALED, SETTLING, SETTLING])
    hands.script["verify"].append(hands.script["verify"][1])
    await play(traced, hands, max_cached_workflows=0)
    ids = Counter((span.name, span.context.span_id) for span in spans.EXPORTER.get_finished_spans())
    assert [one for one, times in ids.items() if times > 1] == []
    assert len(spans.named("workflow:SelfHealing")) == 1
    assert spans.orphans() == ["incident:start"]  # its parent is the alert's


async def test_each_attempt_has_its_span_and_a_failed_one_says_why(traced):
    hands = Hands(repair=[raised(Conflict("password=hunter2 moved")), written])
    await play(traced, hands)
    first, second = sorted(spans.named("activity:repair"), key=lambda one: one.start_time)
    assert [one.attributes["attempt"] for one in (first, second)] == [1, 2]
    assert not first.status.is_ok
    assert second.status.is_ok
    assert "hunter2" not in str(first.to_json())


async def test_a_cancelled_workflow_has_its_span(traced):
    async def cancel(_):
        await cancel_and_see(traced.handle)
        return SETTLING

    async with performing(traced.client, Hands(verify=[cancel])):
        with tracing.span("incident:start", {}):
            handle = await traced.begin()
        assert await ending(handle) == "Cancelled"
    (span,) = spans.named("workflow:SelfHealing")
    assert span.status.description == "cancelled"


async def test_who_starts_without_a_trace_gets_none(traced):
    await traced.play(Hands())
    assert spans.tree() == []


@pytest.mark.parametrize("text", ["", "00-0-0-01", f"00-{'0' * 32}-{'1' * 16}-01", "ff", "00-" + "x" * 32 + "-1-01"])
def test_nonsense_is_no_context(text):
    assert TraceContext.parse(text) is None


def test_a_context_reads_what_it_writes():
    assert TraceContext.parse(str(ALERT)) == ALERT
