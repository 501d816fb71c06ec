"""The operator side of a process: sources, intake, historian and the controller of incidents, wired together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import NoReturn, Protocol

from temporalio.client import Client

from prunella_operator import clock
from prunella_operator.alerts.server import run_webhook
from prunella_operator.config.settings import Settings
from prunella_operator.detection.jobs import JobSource
from prunella_operator.detection.pods import PodSource
from prunella_operator.detection.rollouts import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS, RolloutSource
from prunella_operator.incidents.controller import Controller
from prunella_operator.incidents.intake import Intake
from prunella_operator.incidents.known_good import KnownGoodRecorder
from prunella_operator.incidents.retention import Limits, Retention
from prunella_operator.incidents.workflow_starter import WorkflowStarter
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.async_client import AsyncClient, allow_writes
from prunella_operator.kubernetes.watch.resource import Scope, WatchStats
from prunella_operator.observability import metrics, outcomes
from prunella_operator.process import Process
from prunella_operator.runtime.leader_election import LeaderElector, Timing, new_identity
from prunella_operator.temporal import backlog

_PROBE_EVERY = 5.0
_PROBE_TEMPORAL_AGAIN = 1.0
_BACKLOG_EVERY = 15.0
_SILENT = 120.0
"""Seconds without a byte from a watch: bookmarks come every minute, so that much silence means blindness."""

Watches = dict[str, WatchStats]


class Source(Protocol):
    """Something that is watched for as long as the process lives."""

    @property
    def stats(self) -> WatchStats:
        """How it is doing."""

    async def run(self) -> NoReturn:
        """Watch until cancelled."""


@asynccontextmanager
async def run_operator(settings: Settings, access: Access, client: Client, process: Process) -> AsyncIterator[None]:
    """Everything that sees trouble and hands it to workflows, for as long as the context is open.

    With leader election one operator of several acts. Each of them takes alerts: Temporal alone is told of those, and
    hears the same from whichever is asked.
    """
    process.start("backlog", _measure_backlog(client, settings.task_queue))
    async with run_webhook(settings, client, process), AsyncClient(access, settings.api_timeout) as rest:
        if settings.leader_election:
            elector = _elector(settings, access, rest)
            process.checks["leader"] = lambda: elector.problem
            metrics.LEADER.set_function(lambda: elector.leading)
            act = partial(_act, settings, access, client, process, elector.check)
            process.start("leader", elector.run(act))
        else:
            metrics.LEADER.set(1)
            process.start("operator", _act(settings, access, client, process, allow_writes))
        yield


def _elector(settings: Settings, access: Access, rest: AsyncClient) -> LeaderElector:
    namespace = settings.leader_lease_namespace or access.namespace
    return LeaderElector(
        rest, namespace, settings.leader_lease_name, Timing(settings.leader_lease_seconds), identity=new_identity()
    )


async def _act(
    settings: Settings, access: Access, client: Client, process: Process, may_act: Callable[[], None]
) -> NoReturn:
    """See trouble and hand it to workflows until cancelled. `may_act` is asked right before everything that is done."""
    async with AsyncClient(access, settings.api_timeout, may_act) as rest, process.part() as part:
        starter = WorkflowStarter(rest, client, settings.task_queue, settings.namespaces, may_act)
        intake = Intake(rest, settings.protected_namespaces)
        recorder = KnownGoodRecorder(rest, settings.known_good_after, settings.protected_namespaces)
        watches: Watches = {}
        for name, source in _sources(settings, access, intake, recorder):
            watches[name] = source.stats
            part.checks[name] = partial(_blind, source.stats)
            part.start(name, source.run())
        part.checks["temporal"] = lambda: starter.temporal_error
        part.start("intake", intake.run())
        part.start("known-good", recorder.run())
        part.start("resync", starter.resync())
        part.start("retention", Retention(rest, Limits.of(settings), settings.namespaces).run())
        part.start("measures", _measure_for_ever(process, watches, starter))
        async with Controller(access, starter, settings.namespaces):
            await part.ended()


def _sources(
    settings: Settings, access: Access, intake: Intake, recorder: KnownGoodRecorder
) -> Iterator[tuple[str, Source]]:
    told = (intake.accept, recorder.settled)
    for namespace in settings.namespaces or (None,):
        scope, suffix = Scope(namespace), f" in {namespace}" if namespace else ""
        yield f"pods{suffix}", PodSource(access, intake.accept, scope)
        yield f"jobs{suffix}", JobSource(access, intake.accept, scope)
        yield f"deployments{suffix}", RolloutSource(access, DEPLOYMENTS, *told, scope)
        yield f"statefulsets{suffix}", RolloutSource(access, STATEFUL_SETS, *told, scope)
        yield f"daemonsets{suffix}", RolloutSource(access, DAEMON_SETS, *told, scope)


async def _measure_for_ever(process: Process, watches: Watches, starter: WorkflowStarter) -> NoReturn:
    """Ask Temporal how it is, and keep the gauges up to date. Who acts no longer has nothing to say by them."""
    try:
        while True:
            await starter.probe()
            for name, stats in watches.items():
                _measure(name, stats)
            for part, reason in process.readiness().items():
                metrics.READY.labels(part).set(not reason)
            await asyncio.sleep(_PROBE_TEMPORAL_AGAIN if starter.temporal_error else _PROBE_EVERY)
    finally:
        metrics.forget()
        outcomes.forget_open()


async def _measure_backlog(client: Client, queue: str) -> NoReturn:
    while True:
        await backlog.measure(client, queue)
        await asyncio.sleep(_BACKLOG_EVERY)


def _blind(stats: WatchStats) -> str:
    """Why a watch may be missing things now; "" when it is not."""
    if not stats.synced:
        return f"the first list was not read yet ({stats.last_error or 'under way'})"
    silent = clock.monotonic() - stats.last_activity
    return f"nothing heard for {silent:.0f} s ({stats.last_error})" if silent > _SILENT else ""


def _measure(name: str, stats: WatchStats) -> None:
    metrics.WATCH_OBJECTS.labels(name).set(stats.objects)
    metrics.WATCH_EVENTS.labels(name).set(stats.events)
    metrics.WATCH_RELISTS.labels(name).set(stats.relists)
    metrics.WATCH_UNDECODABLE.labels(name).set(stats.undecodable)
    metrics.WATCH_SYNCED.labels(name).set(stats.synced)
