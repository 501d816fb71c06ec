"""Whatever fails, and whenever it is cancelled: what was begun is compensated once, in reverse, or reported."""

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
    return outcomes, draw(st.sampled_from([None, None, *outcomes]))


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


def expected(outcomes, cancelled):
    """The steps that are begun, and those among them that are to be compensated, in that order."""
    begun = []
    for step in ORDER:
        begun.append(step)
        if outcomes[step] in FAILING or step == cancelled:
            due = [one for one in begun if STEPS[one] and outcomes[one] != NOT_DONE]
            return begun, due[::-1]
    return begun, []


@pytest.mark.timeout(600)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(play=plays())
async def test_what_was_begun_is_compensated_once_in_reverse_or_reported(workflow_env, play):
    outcomes, cancelled = play
    if cancelled:
        outcomes = {**outcomes, cancelled: DONE}  # the test server never ends a cancelled activity that fails
    books = Books()
    books.script = {name: script(books, outcome) for name, outcome in outcomes.items()}
    handle = workflow_env.client.get_workflow_handle("order-1")
    if cancelled:
        books.script[cancelled] = [lambda _: cancel_and_see(handle)]
    async with saga_worker(workflow_env.client, books):
        started = await start(workflow_env.client)
        end, error = await ending(started), await failure(started)
    begun, due = expected(outcomes, cancelled)
    assert await scheduled(started) == begun + [STEPS[step] for step in due]
    refused = {step for step in due if outcomes[STEPS[step]] == REFUSED}
    written = [name for name, _ in books.effects if name in COMPENSATIONS]
    assert written == [STEPS[step] for step in due if step not in refused]
    if end == "SagaFailed":
        assert error.details[0]["compensated"] == [step for step in due if step not in refused]
        assert {one["step"] for one in error.details[0]["failed"]} == refused
    else:
        assert (end, refused) == ("Cancelled" if cancelled in begun else "Completed", set())


async def scheduled(handle):
    """The activities that the workflow scheduled, in order; attempts are not counted."""
    events = (await handle.fetch_history()).events
    kinds = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    return [kind for kind in kinds if kind]
