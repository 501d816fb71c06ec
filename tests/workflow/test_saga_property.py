"""Whatever fails, and whenever it is cancelled: what was begun is compensated once, in reverse, or reported."""

from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError
from workflow.healing_env import cancel_and_see, raised
from workflow.saga_env import COMPENSATIONS, STEPS, Books, ending, failure, saga_worker, start

from prunella_workflows.model.errors import Unavailable
from prunella_workflows.patterns import NotDone

ORDER = list(STEPS)
DONE, REPEATED, LOST = "done", "repeated", "lost"
REFUSED, REFUSED_AFTER_ALL, NOT_DONE = "refused", "refused-after-all", "not-done"
FAILING = {REFUSED, REFUSED_AFTER_ALL, NOT_DONE}
DOWN = raised(Unavailable("no answer"))
NO = ApplicationError("refused", type="Refused", non_retryable=True)

steps = st.sampled_from([DONE, DONE, DONE, REPEATED, LOST, REFUSED, REFUSED_AFTER_ALL, NOT_DONE])
compensations = st.sampled_from([DONE, DONE, REPEATED, LOST, REFUSED])


@st.composite
def plays(draw):
    """The outcome of each activity, and the activity during which the workflow is cancelled, if any."""
    outcomes = {step: draw(steps) for step in STEPS} | {name: draw(compensations) for name in COMPENSATIONS}
    cancelled = draw(st.sampled_from([None, None, *outcomes]))
    if cancelled:
        outcomes[cancelled] = DONE  # the test server never ends a cancelled activity that fails
    return outcomes, cancelled


def script(books, outcome):
    """The outcomes of the attempts. LOST: the effect happens, and its result is lost; so the outcome is unknown."""

    def lost(entry):
        books.write(entry)
        return DOWN

    return {
        DONE: [None],
        REPEATED: [DOWN, None],
        LOST: [lost, None],
        REFUSED: [NO],
        REFUSED_AFTER_ALL: [lost, NO],
        NOT_DONE: [raised(NotDone("nothing happened"))],
    }[outcome]


class Expected(NamedTuple):
    """The steps that are begun, those to compensate in their order, those that are reported instead, and the end."""

    begun: list[str]
    due: list[str]
    refused: list[str]
    end: str


def expect(outcomes, cancelled):
    last = next((step for step in ORDER if outcomes[step] in FAILING or step == cancelled), None)
    if last is None:
        return Expected(ORDER, [], [], "Completed")
    begun = ORDER[: ORDER.index(last) + 1]
    due = [step for step in reversed(begun) if STEPS[step] and outcomes[step] != NOT_DONE]
    refused = [step for step in due if outcomes[STEPS[step]] == REFUSED]
    return Expected(begun, due, refused, "SagaFailed" if refused or last != cancelled else "Cancelled")


@pytest.mark.timeout(600)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(play=plays())
async def test_what_was_begun_is_compensated_once_in_reverse_or_reported(workflow_env, play):
    outcomes, cancelled = play
    books = Books()
    books.script = {name: script(books, outcome) for name, outcome in outcomes.items()}
    if cancelled:
        handle = workflow_env.client.get_workflow_handle("order-1")
        books.script[cancelled] = [lambda _: cancel_and_see(handle)]
    async with saga_worker(workflow_env.client, books):
        started = await start(workflow_env.client)
        end, error = await ending(started), await failure(started)
    expected = expect(outcomes, cancelled)
    done = [step for step in expected.due if step not in expected.refused]
    assert end == expected.end
    assert await scheduled(started) == expected.begun + [STEPS[step] for step in expected.due]
    assert [name for name, _ in books.effects if name in COMPENSATIONS] == [STEPS[step] for step in done]
    if end == "SagaFailed":
        assert error.details[0]["compensated"] == done
        assert [one["step"] for one in error.details[0]["failed"]] == expected.refused


async def scheduled(handle):
    """The activities that the workflow scheduled, in order; attempts are not counted."""
    events = (await handle.fetch_history()).events
    kinds = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    return [kind for kind in kinds if kind]
