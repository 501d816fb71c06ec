"""Looks at observed workloads as the operator's leader does, with shorter times and more often."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import pytest
from support.cluster import Cluster
from support.prunella import SeparateProcesses

from prunella_operator.aftermath import classifier, recorder
from prunella_operator.aftermath.plans import PlanReader
from prunella_operator.aftermath.recorder import AftermathRecorder
from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.track_records import WatchedTrackRecords
from prunella_operator.temporal.client import connect

HOLD = timedelta(seconds=75)
"""Instead of 30 minutes."""
HORIZON = timedelta(minutes=6)
"""Instead of 24 hours."""
PEOPLE_NEED_SECONDS = 3.0
"""The cluster records the times of changes in whole seconds; no one is there in the second of the diagnosis."""
_WELL = timedelta(seconds=25)
"""Instead of 10 minutes."""
_SWEEP_SECONDS = 8.0
"""Instead of five minutes."""


@contextmanager
def recorded_aftermaths(
    cluster: Cluster, prunella: SeparateProcesses, namespaces: Sequence[str], hold: timedelta = HOLD
) -> Iterator[None]:
    """Look during the block. Health counts after `hold`."""
    over = Event()
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(1) as pool:
        patched.setattr(classifier, "HOLD", hold)
        patched.setattr(recorder, "_WELL", _WELL)
        looking = pool.submit(lambda: asyncio.run(_look(cluster, prunella, namespaces, over)))
        try:
            yield
        finally:
            over.set()
        looking.result()


async def _look(cluster: Cluster, prunella: SeparateProcesses, namespaces: Sequence[str], over: Event) -> None:
    client = await connect(Settings.load({"temporal_address": prunella.settings["temporal_address"]}))
    async with AsyncClient(load_access(str(cluster.kubeconfig), cluster.context)) as rest:
        looker = AftermathRecorder(rest, PlanReader(client), HORIZON, WatchedTrackRecords(rest), tuple(namespaces))
        while not over.is_set():
            await looker.sweep()
            await asyncio.sleep(_SWEEP_SECONDS)
