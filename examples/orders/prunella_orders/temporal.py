"""The client of Temporal, with Prunella's interceptors, and the search attributes of orders."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_operator.process import Process
from prunella_operator.temporal import rpc
from prunella_orders.names import CUSTOMER, STATUS, TOTAL
from prunella_orders.settings import Settings

_TIMEOUT_SECONDS = 10.0
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
