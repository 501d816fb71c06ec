"""Sagas: what is done, what is compensated, in which order, and what is reported."""

import asyncio
import logging

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.exceptions import ApplicationError
from workflow.healing_env import cancel_and_see, raised, start_dev_server, unanswered
from workflow.saga_env import STEPS, Books, ending, failure, saga_worker, start
from workflow.saga_workflows import (
    BuggySaga,
    CatchingSaga,
    EmptySaga,
    LateSaga,
    OptionsSaga,
    OrderSaga,
    SideBySideSaga,
    SlowSaga,
    StoppableSaga,
)

from prunella_workflows.model.errors import Unavailable
from prunella_workflows.patterns import NotDone

REFUSED = ApplicationError("the card was refused", type="CardRefused", non_retryable=True)
NOT_DONE = raised(NotDone("2 are left"))
DOWN = raised(Unavailable("no answer"))


async def play(env, books, saga=OrderSaga, **options):
    """The error that ended the order, or None."""
    async with saga_worker(env.client, books, saga, **options):
        return await failure(await start(env.client, saga))


async def test_all_steps_are_done_in_order(workflow_env):
    books = Books()
    async with saga_worker(workflow_env.client, books):
        assert await (await start(workflow_env.client)).result() == "commit_stock of 17"
    assert books.order == list(STEPS)
    assert [entry.argument for entry in books.attempts] == ["17", "17", "17", "authorise_payment of 17", "17"]


async def test_a_failure_compensates_in_reverse_what_was_begun(workflow_env):
    books = Books(capture_payment=REFUSED)
    error = await play(workflow_env, books)
    begun = ["reserve_stock", "authorise_payment", "create_order", "capture_payment"]
    assert books.compensated == begun[::-1]
    assert (error.type, error.non_retryable) == ("SagaFailed", True)
    assert error.details[0] == {
        "cause": "capture_payment failed: CardRefused: the card was refused",
        "compensated": begun[::-1],
        "failed": [],
    }


async def test_a_compensation_has_the_argument_and_the_key_of_its_step(workflow_env):
    books = Books(commit_stock=REFUSED)
    await play(workflow_env, books)
    of = {entry.name: entry for entry in books.attempts}
    for step, compensation in STEPS.items():
        if compensation:
            assert of[compensation][1:] == of[step][1:]
    assert len({entry.key for entry in books.attempts}) == len(STEPS)
    assert all(entry.key.startswith("order-1/saga-") for entry in books.attempts)


async def test_a_step_whose_outcome_is_unknown_is_compensated(workflow_env):
    books = Books(create_order=unanswered)
    error = await play(workflow_env, books, OptionsSaga)
    assert sorted(books.compensated) == ["create_order", "reserve_stock"]
    assert error.details[0]["cause"].startswith("create_order failed: TimeoutError")
    assert not error.non_retryable


async def test_a_step_that_says_that_it_had_no_effect_is_not_compensated(workflow_env):
    books = Books(create_order=[DOWN, NOT_DONE])
    await play(workflow_env, books)
    assert books.compensated == ["authorise_payment", "reserve_stock"]


async def test_a_step_is_repeated_under_the_same_key(workflow_env):
    books = Books(create_order=[unanswered, None], commit_stock=[DOWN, None])
    assert await play(workflow_env, books, OptionsSaga) is None
    assert books.order == ["reserve_stock", "create_order", "commit_stock"]
    assert len(set(books.attempts)) == len(books.attempts) - 2 == 3


async def test_a_compensation_is_repeated_until_it_is_done(workflow_env):
    books = Books(commit_stock=REFUSED, refund_payment=[DOWN] * 20 + [None])
    error = await play(workflow_env, books)
    assert error.details[0]["failed"] == []
    assert books.compensated == ["capture_payment", "create_order", "authorise_payment", "reserve_stock"]


async def test_a_compensation_that_fails_is_reported_and_stops_no_other(workflow_env):
    books = Books(commit_stock=DOWN, void_payment=REFUSED)
    error = await play(workflow_env, books)
    refused = {
        "step": "authorise_payment",
        "compensation": "void_payment",
        "reason": "CardRefused: the card was refused",
    }
    assert error.details[0]["failed"] == [refused]
    assert error.details[0]["compensated"] == ["capture_payment", "create_order", "reserve_stock"]
    assert error.non_retryable
    assert "not compensated: authorise_payment (void_payment: CardRefused" in error.message


async def test_the_saga_a_step_and_the_compensations_have_their_own_limits(workflow_env):
    books = Books(commit_stock=DOWN, cancel_order=DOWN)
    error = await play(workflow_env, books, OptionsSaga)
    attempts = [entry.name for entry in books.attempts]
    assert (attempts.count("commit_stock"), attempts.count("cancel_order")) == (2, 2)
    assert error.details[0]["failed"][0]["step"] == "create_order"
    assert [entry.argument for entry in books.attempts if entry.name == "release_stock"] == ["shelf 4"]


async def test_compensations_at_the_same_time(workflow_env):
    both = asyncio.Barrier(2)

    async def meet(_entry):
        await both.wait()

    books = Books(commit_stock=REFUSED, release_stock=meet, cancel_order=meet)
    error = await play(workflow_env, books, OptionsSaga)
    assert sorted(error.details[0]["compensated"]) == ["create_order", "reserve_stock"]


def cancelling(env, then=None):
    """An activity during which the workflow is cancelled."""

    async def act(_entry):
        await cancel_and_see(env.client.get_workflow_handle("order-1"))
        return then

    return act


async def test_cancelled_during_a_step_it_is_compensated_when_the_step_has_ended(workflow_env):
    books = Books(create_order=cancelling(workflow_env))
    async with saga_worker(workflow_env.client, books):
        assert await ending(await start(workflow_env.client)) == "Cancelled"
    assert books.compensated == ["create_order", "authorise_payment", "reserve_stock"]
    assert [name for name, _ in books.effects] == [*list(STEPS)[:3], "cancel_order", "void_payment", "release_stock"]


async def test_cancelled_during_an_attempt_that_fails_there_is_no_other():
    async with start_dev_server() as environment:  # the test server never ends such an activity
        books = Books(create_order=[cancelling(environment, DOWN), None])
        async with saga_worker(environment.client, books):
            assert await ending(await start(environment.client)) == "Cancelled"
    assert books.compensated == ["create_order", "authorise_payment", "reserve_stock"]
    assert ("create_order",) not in [entry[:1] for entry in books.effects.values()]


async def test_a_cancellation_interrupts_no_compensation(workflow_env):
    books = Books(capture_payment=REFUSED, cancel_order=[DOWN, cancelling(workflow_env, DOWN), None])
    error = await play(workflow_env, books)
    assert (error.type, error.details[0]["failed"]) == ("SagaFailed", [])
    assert books.compensated == ["capture_payment", "create_order", "authorise_payment", "reserve_stock"]


async def test_a_compensation_that_fails_after_a_cancellation_is_reported(workflow_env):
    books = Books(create_order=cancelling(workflow_env), void_payment=REFUSED)
    error = await play(workflow_env, books)
    assert (error.type, error.details[0]["cause"]) == ("SagaFailed", "Cancelled")
    assert [one["step"] for one in error.details[0]["failed"]] == ["authorise_payment"]


async def test_cancelled_again_and_again_by_the_workflow_itself():
    async with start_dev_server() as environment:  # the test server fails when an activity ends as it is cancelled

        async def stop(_entry):
            handle = environment.client.get_workflow_handle("order-1")
            for _ in range(2):
                await handle.signal(StoppableSaga.stop)

        books = Books(create_order=stop, cancel_order=[stop, None], release_stock=stop)
        async with saga_worker(environment.client, books, StoppableSaga):
            assert await (await start(environment.client, StoppableSaga)).result() == "stopped"
    assert books.compensated == ["create_order", "reserve_stock"]


async def test_of_steps_side_by_side_all_have_ended_before_one_is_compensated():
    failed = asyncio.Event()

    async def fail(_entry):
        failed.set()
        return REFUSED

    async def outlive(_entry):
        await failed.wait()
        await asyncio.sleep(0.5)

    books = Books(reserve_stock=outlive, authorise_payment=fail)
    async with start_dev_server() as environment, saga_worker(environment.client, books, SideBySideSaga):
        error = await failure(await start(environment.client, SideBySideSaga))
    assert sorted(error.details[0]["compensated"]) == ["authorise_payment", "reserve_stock"]
    assert [name for name, _ in books.effects][:1] == ["reserve_stock"]
    assert "create_order" not in books.order


async def test_the_workflow_can_report_the_failure_itself(workflow_env):
    books = Books(cancel_order=DOWN)
    async with saga_worker(workflow_env.client, books, CatchingSaga):
        result = await (await start(workflow_env.client, CatchingSaga)).result()
    cause, compensated, failed = result
    assert cause == "Permanent: the customer is unknown"
    assert (compensated, failed) == ("reserve_stock", "create_order: cancel_order: Unavailable: no answer")


async def test_a_block_that_times_out_is_compensated(workflow_env):
    books = Books()
    error = await play(workflow_env, books, SlowSaga)
    assert (books.compensated, error.details[0]["cause"]) == (["reserve_stock"], "TimeoutError")


async def test_a_failure_before_the_first_step_compensates_nothing(workflow_env):
    error = await play(workflow_env, Books(), EmptySaga)
    assert error.message == "Permanent: there is no order 17; compensated: nothing"


async def test_a_workflow_that_is_reset_keeps_the_keys_of_its_steps():
    books = Books()
    async with start_dev_server() as environment, saga_worker(environment.client, books):
        handle = await start(environment.client)
        await handle.result()
        run_id = await reset_to_task(handle, 2)
        await environment.client.get_workflow_handle("order-1", run_id=run_id).result()
    assert len(books.attempts) == 2 * len(STEPS) - 1, "the first step is not repeated"
    assert len({entry.key for entry in books.attempts}) == len(STEPS)


async def reset_to_task(handle, number):
    """Run the workflow again from its workflow task of this number; return the id of the new run."""
    events = (await handle.fetch_history()).events
    tasks = [event.event_id for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    request = ResetWorkflowExecutionRequest(
        namespace="default",
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.result_run_id),
        workflow_task_finish_event_id=tasks[number - 1],
        request_id="reset",
    )
    return (await handle._client.workflow_service.reset_workflow_execution(request)).run_id


async def test_a_bug_compensates_nothing_and_the_order_continues_when_it_is_fixed(workflow_env, caplog):
    books = Books()
    with caplog.at_level(logging.CRITICAL, logger="temporalio"):
        async with saga_worker(workflow_env.client, books, BuggySaga, max_cached_workflows=0):
            handle = await start(workflow_env.client, BuggySaga)
            await books.attempted("reserve_stock")
            await asyncio.sleep(1)
    async with saga_worker(workflow_env.client, books, OrderSaga):
        assert await ending(handle) == "Completed"
    assert books.order == list(STEPS)


async def test_a_step_after_the_end_is_refused(workflow_env):
    async with saga_worker(workflow_env.client, Books(), LateSaga):
        result = await (await start(workflow_env.client, LateSaga)).result()
    assert result == "the saga has ended: it takes no more steps"


@pytest.mark.parametrize("script", [{}, {"capture_payment": REFUSED}, {"create_order": "cancel"}], ids=str)
async def test_every_task_replays_when_no_worker_remembers_the_workflow(workflow_env, script):
    script = {name: cancelling(workflow_env) if one == "cancel" else one for name, one in script.items()}
    books, remembering = Books(**script), Books(**script)
    await play(workflow_env, books, max_cached_workflows=0)
    await play(workflow_env, remembering)
    assert books.order == remembering.order
