"""The scenes of sagas, approvals and items whose histories are recorded."""

from datetime import timedelta

from temporalio.worker import Worker
from workflow.changed_workflows import CarelessApproval, CarelessItems, CarelessOrderSaga
from workflow.healing_env import cancel_and_see, raised
from workflow.item_workflows import PERMANENT, TEMPORARY, Item, Items
from workflow.recording_notifications import RecordingNotifications
from workflow.saga_env import QUEUE, Books, failure, saga_worker, start
from workflow.saga_workflows import OrderSaga

from prunella_workflows.model.errors import InvalidInputError, Unavailable
from prunella_workflows.patterns import ApprovalAnswer, ApprovalRequest, ApprovalWorkflow
from prunella_workflows.temporal.sandbox import workflow_runner

# Sagas: the outcomes of the activities

NO_ANSWER = raised(Unavailable("no answer"))
CARD_REFUSED = raised(InvalidInputError("the card was refused"))


def _cancelled_order(client):
    return lambda _entry: cancel_and_see(client.get_workflow_handle("order-1"))


SAGAS = {
    "completed": lambda _: {"create_order": [NO_ANSWER, None]},
    "compensated": lambda _: {"capture_payment": CARD_REFUSED, "void_payment": [NO_ANSWER, None]},
    "a-compensation-failed": lambda _: {"commit_stock": CARD_REFUSED, "refund_payment": CARD_REFUSED},
    "cancelled": lambda client: {"create_order": _cancelled_order(client)},
    "cancelled-while-compensating": lambda client: {
        "create_order": CARD_REFUSED,
        "void_payment": _cancelled_order(client),
    },
}


async def _run_saga(environment, scene):
    async with saga_worker(environment.client, Books(**scene(environment.client))):
        handle = await start(environment.client)
        await failure(handle)
        return handle


# Approvals: the answers, and the days after which they come

ALICES_APPROVAL = ("approve", ApprovalAnswer(by="alice", reason="a known customer"))
APPROVALS = {
    "approved-after-two-reminders": (2.5, (("approve", ApprovalAnswer(by="bob")), ALICES_APPROVAL)),
    "approved-at-once": (0, (ALICES_APPROVAL,)),
    "timed-out": (0, ()),
}


async def _run_approval(environment, scene):
    days, answers = scene
    request = ApprovalRequest(title="Order 17", what="12,000 EUR", approvers=("alice",), channels=("shop/chat",))
    notices = RecordingNotifications()
    options = {"workflows": [ApprovalWorkflow], "activities": [notices.notify], "workflow_runner": workflow_runner()}
    async with Worker(environment.client, task_queue=QUEUE, **options):
        handle = await environment.client.start_workflow(
            ApprovalWorkflow.run, request, id="approval-17", task_queue=QUEUE
        )
        await environment.sleep(timedelta(days=days))
        for signal, answer in answers:
            await handle.signal(signal, answer)
        await handle.result()
        return handle


# Items: the numbers

ITEMS = {"processed": [1, 2, 3, 4], "one-failed": [1, PERMANENT, TEMPORARY]}


async def _run_items(environment, numbers):
    async with saga_worker(environment.client, Books(), Items, Item):
        handle = await environment.client.start_workflow(Items.run, numbers, id="report", task_queue=QUEUE)
        await handle.result()
        return handle


FAMILIES = {
    "sagas": (SAGAS, _run_saga, "order-1", OrderSaga, CarelessOrderSaga),
    "approvals": (APPROVALS, _run_approval, "approval-17", ApprovalWorkflow, CarelessApproval),
    "items": (ITEMS, _run_items, "report", Items, CarelessItems),
}
"""As in `record_histories.Family`."""
