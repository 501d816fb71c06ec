"""Sagas: what is done, what is compensated, in which order, and what is said of it."""

from temporalio.exceptions import ApplicationError
from workflow.saga_env import STEPS, Books, failure, saga_worker, start

REFUSED = ApplicationError("the card was refused", type="CardRefused", non_retryable=True)


async def test_all_steps_are_done_in_order(workflow_env):
    books = Books()
    async with saga_worker(workflow_env.client, books):
        assert await (await start(workflow_env.client)).result() == "commit_stock of 17"
    assert books.order == list(STEPS)
    assert [entry.argument for entry in books.attempts] == ["17", "17", "17", "authorise_payment of 17", "17"]


async def test_a_failure_compensates_in_reverse_what_was_begun(workflow_env):
    books = Books(capture_payment=REFUSED)
    async with saga_worker(workflow_env.client, books):
        error = await failure(await start(workflow_env.client))
    begun = ["reserve_stock", "authorise_payment", "create_order", "capture_payment"]
    assert books.compensated == begun[::-1]
    assert error.type == "SagaFailed"
    assert error.details[0] == {
        "cause": "capture_payment failed: CardRefused: the card was refused",
        "compensated": begun[::-1],
        "failed": [],
    }
