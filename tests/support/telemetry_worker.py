"""The telemetry worker as its command runs it, but it kills itself at a point: `telemetry_worker.py STEP:before|after`.

A point lies before an activity begins, or after it has had its effect and before Temporal learns of it.
"""

import asyncio
import os
import signal
import sys

import temporalio.client
import temporalio.worker

from prunella_operator.config.settings import Settings
from prunella_operator.process import Process
from prunella_operator.telemetry.worker import run_telemetry
from prunella_workflows.contracts.telemetry import Batch

STEPS = {
    "fetchTelemetry": None,
    "processTraces": "traces",
    "processMetrics": "metrics",
    "processLogs": "logs",
    "correlateTelemetry": "traces",
    "detectAnomalies": None,
    "storeTelemetry": None,
    "updateDashboard": None,
}
"""The activities, and the signal without which one has nothing to do."""


class Killer(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Kills this process at the point."""

    def __init__(self, point):
        self.point = point

    def intercept_activity(self, next):  # noqa: A002 - the SDK's name
        return _Inbound(next, self.point)


class _Inbound(temporalio.worker.ActivityInboundInterceptor):
    def __init__(self, next, point):  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._point = point

    async def execute_activity(self, input):  # noqa: A002 - the SDK's name
        name = temporalio.activity.info().activity_type
        self._reach(name, "before", input.args[0])
        result = await super().execute_activity(input)
        self._reach(name, "after", result if isinstance(result, Batch) else input.args[0])
        return result

    def _reach(self, name, when, batch):
        if f"{name}:{when}" == self._point and _has_work(STEPS[name], batch):
            os.kill(os.getpid(), signal.SIGKILL)


def _has_work(wanted, batch):
    """Before a fetch there is no batch yet."""
    signals = {taken.signal for taken in batch.ranges} if isinstance(batch, Batch) else {wanted}
    return wanted in signals or (wanted is None and bool(signals))


async def serve(point):
    process = Process(interceptors=[Killer(point)])
    async with run_telemetry(Settings.load({}), process):
        await process.ended()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
