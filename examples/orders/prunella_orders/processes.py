"""The four processes: the API, the worker, the payment service and the carrier."""

import asyncio
from datetime import timedelta
from functools import partial

import aiohttp
from temporalio.client import Client
from temporalio.worker import Worker

from prunella_operator.observability.workflows import expose
from prunella_operator.process import Process
from prunella_operator.temporal.backlog import measure
from prunella_orders import metrics, oldest
from prunella_orders.activities import OrderActivities
from prunella_orders.api.app import Api
from prunella_orders.client import ServiceClient
from prunella_orders.database import Database
from prunella_orders.names import TASK_QUEUE
from prunella_orders.report import NightlyReport
from prunella_orders.runtime import observed, prepare, serving
from prunella_orders.services.carrier import Carrier
from prunella_orders.services.faults import Faulty, holding
from prunella_orders.services.payments import Payments
from prunella_orders.settings import Settings
from prunella_orders.temporal import connect, register_search_attributes, schedule_report
from prunella_orders.workflow import OrderWorkflow
from prunella_workflows.patterns import ApprovalWorkflow
from prunella_workflows.temporal.sandbox import workflow_runner

_WORKFLOWS = {"OrderWorkflow": OrderWorkflow, "Approval": ApprovalWorkflow, "NightlyReport": NightlyReport}
"""The workflows by their type."""

_BACKLOG_SECONDS = 5.0
_GRACE = timedelta(seconds=20)
_STICKY = timedelta(seconds=5)  # the longest time for which an order waits for a worker that was killed


async def api(settings: Settings) -> None:
    """Serve customers."""
    database = Database(settings.database_url.get_secret_value(), "orders")
    async with observed("order-service") as process:
        client = await connect(settings, process)
        async with serving(settings, process, Api(settings, client, database).add_routes):
            await prepare(process, "database", database.migrate)
            await prepare(process, "temporal", partial(register_search_attributes, client))
            await process.ended()


async def worker(settings: Settings) -> None:
    """Run workflows and activities."""
    database = Database(settings.database_url.get_secret_value(), "orders")
    with holding(settings.faults.memory_mib):
        async with observed("order-workers") as process, aiohttp.ClientSession() as http, serving(settings, process):
            await _work(settings, database, process, http)


async def _work(settings: Settings, database: Database, process: Process, http: aiohttp.ClientSession) -> None:
    await prepare(process, "database", database.migrate)
    await prepare(process, "temporal", partial(register_search_attributes, await connect(settings, process)))
    client = await connect(settings, process, lazy=False)
    await prepare(process, "schedule", partial(schedule_report, client))
    process.start("backlog", _measure_backlog(client))
    async with build_worker(client, settings, build_activities(settings, database, http)):
        await process.ended()


async def payments(settings: Settings) -> None:
    """Charge and refund."""
    database = Database(settings.database_url.get_secret_value(), "payments")
    faulty = Faulty(settings.faults)
    service = Payments(settings, database, faulty)
    async with (
        observed("payments") as process,
        serving(settings, process, service.add_routes, faulty.add_routes, middleware=(faulty.middleware,)),
    ):
        await prepare(process, "database", database.migrate)
        process.start("callbacks", service.tell())
        await process.ended()


async def carrier(settings: Settings) -> None:
    """Take parcels."""
    database = Database(settings.database_url.get_secret_value(), "shipping")
    faulty = Faulty(settings.faults)
    async with (
        observed("carrier") as process,
        serving(settings, process, Carrier(database).add_routes, faulty.add_routes, middleware=(faulty.middleware,)),
    ):
        await prepare(process, "database", database.migrate)
        await process.ended()


def build_activities(settings: Settings, database: Database, http: aiohttp.ClientSession) -> OrderActivities:
    """The activities over the real services."""
    return OrderActivities(
        settings,
        database,
        ServiceClient("payments", settings.payments_url, http),
        ServiceClient("carrier", settings.carrier_url, http),
    )


def build_worker(client: Client, settings: Settings, activities: OrderActivities) -> Worker:
    """Build a worker of the orders' task queue."""
    expose(_WORKFLOWS, TASK_QUEUE)
    metrics.expose()
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=list(_WORKFLOWS.values()),
        activities=activities.all,
        workflow_runner=workflow_runner(),
        max_concurrent_activities=settings.max_activities,
        sticky_queue_schedule_to_start_timeout=_STICKY,
        graceful_shutdown_timeout=_GRACE,
    )


async def _measure_backlog(client: Client) -> None:
    """Measure what waits, for the autoscaler, and what takes long, for an alert."""
    while True:
        await measure(client, TASK_QUEUE)
        await oldest.measure(client)
        await asyncio.sleep(_BACKLOG_SECONDS)
