"""A workflow that fails with the temporary error is tried again by its retry policy; the permanent error is final."""

import pytest
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from workflow.healing_env import raised
from workflow.saga_env import QUEUE, Books, failure, saga_worker, start
from workflow.saga_workflows import Failing, OrderSaga, TranslatedOrder

from prunella_workflows.model.errors import Unavailable

POLICY = RetryPolicy(maximum_attempts=3)
DOWN = raised(Unavailable("no answer"))
REFUSED = ApplicationError("refused", type="Refused", non_retryable=True)


async def _run(env, kind):
    async with saga_worker(env.client, Books(), Failing):
        handle = await env.client.start_workflow(Failing.run, kind, id="w", task_queue=QUEUE, retry_policy=POLICY)
        return await failure(handle) or await handle.result()


async def test_the_temporary_error_is_tried_again(workflow_env):
    assert await _run(workflow_env, "temporary") == 3


async def test_the_permanent_error_is_final(workflow_env):
    error = await _run(workflow_env, "permanent")
    assert (error.type, error.message) == ("Permanent", "not now")


@pytest.mark.parametrize(("outcome", "attempts"), [(DOWN, 6), (REFUSED, 1)], ids=["temporary", "permanent"])
async def test_the_error_of_an_activity_decides_as_well(workflow_env, outcome, attempts):
    books = Books(commit_stock=outcome)
    async with saga_worker(workflow_env.client, books, TranslatedOrder):
        error = await failure(await start(workflow_env.client, TranslatedOrder, retry_policy=POLICY))
    assert len(books.attempts) == attempts
    assert error.cause.type == "Unavailable" if attempts > 1 else error.type == "Refused"


async def test_a_saga_that_was_compensated_is_tried_again_under_other_keys(workflow_env):
    books = Books(commit_stock=[DOWN] * 10 + [None])
    async with saga_worker(workflow_env.client, books):
        assert await failure(await start(workflow_env.client, retry_policy=POLICY)) is None
    reserved = [entry.key for entry in books.attempts if entry.name == "reserve_stock"]
    assert len(set(reserved)) == 2
    assert [entry.key for entry in books.attempts if entry.name == "release_stock"] == reserved[:1]


@pytest.mark.parametrize("script", [{"commit_stock": REFUSED}, {"commit_stock": DOWN, "refund_payment": REFUSED}])
async def test_a_saga_with_a_permanent_cause_or_a_failed_compensation_is_not_tried_again(workflow_env, script):
    books = Books(**script)
    async with saga_worker(workflow_env.client, books, OrderSaga):
        error = await failure(await start(workflow_env.client, retry_policy=POLICY))
    assert error.type == "SagaFailed"
    assert [entry.name for entry in books.attempts].count("reserve_stock") == 1
