"""The client of Temporal, with Prunella's interceptors; search attributes and the schedule."""

from contextlib import suppress

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleSpec,
)
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_operator.process import Process
from prunella_operator.temporal import rpc
from prunella_orders.names import CUSTOMER, REPORT, STATUS, TASK_QUEUE, TOTAL
from prunella_orders.report import NightlyReport
from prunella_orders.settings import Settings

_TIMEOUT_SECONDS = 10.0
_EACH_NIGHT = "0 2 * * *"  # UTC
_ATTRIBUTES = {
    STATUS.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    CUSTOMER.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    TOTAL.name: IndexedValueType.INDEXED_VALUE_TYPE_INT,
}


async def connect(settings: Settings, process: Process, *, lazy: bool = True) -> Client:
    """A client; a lazy one connects at its first call, and cannot have workers."""
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=pydantic_data_converter,
        interceptors=process.interceptors,
        runtime=process.runtime,
        lazy=lazy,
    )


async def register_search_attributes(client: Client) -> None:
    """Register those that are missing. Raises Unavailable while Temporal is away."""
    asked = client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    known = (await rpc.call(asked, _TIMEOUT_SECONDS)).custom_attributes
    missing = {name: kind for name, kind in _ATTRIBUTES.items() if name not in known}
    if missing:
        request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        await rpc.call(client.operator_service.add_search_attributes(request), _TIMEOUT_SECONDS)


async def schedule_report(client: Client) -> None:
    """Have the report made each night, unless that is so already. Raises Unavailable while Temporal is away."""
    action = ScheduleActionStartWorkflow(NightlyReport.run, id=REPORT, task_queue=TASK_QUEUE)
    schedule = Schedule(action, ScheduleSpec(cron_expressions=[_EACH_NIGHT]))
    with suppress(ScheduleAlreadyRunningError):
        await rpc.call(client.create_schedule(REPORT, schedule), _TIMEOUT_SECONDS)
