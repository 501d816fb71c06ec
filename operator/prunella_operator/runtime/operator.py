"""The operator's part of a process: sources, intake, known-good recorder and incident controller, wired together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

from temporalio.client import Client

from prunella_operator.aftermath.plans import PlanReader
from prunella_operator.aftermath.recorder import AftermathRecorder
from prunella_operator.alerts.server import run_webhook
from prunella_operator.config.settings import Settings
from prunella_operator.detection.jobs import JobSource
from prunella_operator.detection.pods import PodSource
from prunella_operator.detection.rollouts import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS, RolloutSource
from prunella_operator.incidents.alert_signals import AlertSignals
from prunella_operator.incidents.controller import Controller
from prunella_operator.incidents.intake import Intake
from prunella_operator.incidents.known_good import KnownGoodRecorder
from prunella_operator.incidents.recovery import RecoveryRecorder
from prunella_operator.incidents.retention import Limits, Retention
from prunella_operator.incidents.sweeper import Sweeper
from prunella_operator.incidents.workflow_starter import WorkflowStarter
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.async_client import AsyncClient, allow_writes
from prunella_operator.kubernetes.track_records import WatchedTrackRecords
from prunella_operator.kubernetes.watch.resource import Scope, WatchStats
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_operator.observability import metrics, outcomes
from prunella_operator.policies.earned_levels import EarnedLevels
from prunella_operator.policies.status_writer import PolicyStatusWriter
from prunella_operator.process import Process
from prunella_operator.runtime.leader_election import LeaderElector, Timing, new_identity
from prunella_operator.temporal import backlog
from prunella_workflows.contracts.healing import watch_queue

_PROBE_INTERVAL_SECONDS = 5.0
_PROBE_RETRY_INTERVAL_SECONDS = 1.0  # while Temporal is unavailable
_BACKLOG_INTERVAL_SECONDS = 15.0

Watches = dict[str, WatchStats]
NamedSource = tuple[str, PodSource | JobSource | RolloutSource[Any] | Watch[Any]]
MayAct = Callable[[], None]


@asynccontextmanager
async def run_operator(settings: Settings, access: Access, client: Client, process: Process) -> AsyncIterator[None]:
    """Detect faults and start workflows for as long as the context is open. With leader election only one of several
    operators acts. Each of them accepts alerts: Temporal receives the same from all.
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
    timing = Timing(settings.leader_lease_seconds)
    return LeaderElector(rest, namespace, settings.leader_lease_name, timing, identity=new_identity())


async def _act(settings: Settings, access: Access, client: Client, process: Process, may_act: MayAct) -> NoReturn:
    """Detect faults and start workflows until cancelled. `may_act` is called right before every write."""
    namespaces, protected = settings.namespaces, settings.protected_namespaces
    async with AsyncClient(access, settings.api_timeout, may_act) as rest, process.part() as part:
        starter = WorkflowStarter(rest, client, settings.task_queue, may_act)
        intake = Intake(rest, protected)
        recorder = KnownGoodRecorder(rest, settings.known_good_after, protected)
        records = WatchedTrackRecords(rest)
        policies = PolicyStatusWriter(access, rest, EarnedLevels(records), namespaces)
        watches: Watches = {}
        for name, source in _sources(settings, access, intake, recorder, policies):
            watches[name] = source.stats
            part.checks[name] = source.stats.problem
            part.start(name, source.run())
        part.checks["temporal"] = lambda: starter.temporal_error
        part.start("intake", intake.run())
        part.start("known-good", recorder.run())
        part.start("sweeper", Sweeper(rest, starter, namespaces).run())
        part.start("recovery", RecoveryRecorder(rest, namespaces).run())
        horizon = timedelta(hours=settings.aftermath_hours)
        part.start("aftermath", AftermathRecorder(rest, PlanReader(client), horizon, records, namespaces).run())
        part.start("retention", Retention(rest, Limits.from_settings(settings), namespaces).run())
        part.start("policies", policies.run(lambda: all(stats.synced for stats in watches.values())))
        part.start("metrics", _update_metrics(process, watches, starter))
        alerts = AlertSignals(client)
        async with Controller(access, rest, starter, alerts, namespaces, on_ended=recorder.reconsider):
            await part.ended()


def _sources(
    settings: Settings, access: Access, intake: Intake, recorder: KnownGoodRecorder, policies: PolicyStatusWriter
) -> Iterator[NamedSource]:
    callbacks, others = (intake.accept, recorder.schedule), (policies.workloads,)
    for namespace in settings.namespaces or (None,):
        scope, suffix = Scope(namespace), f" in {namespace}" if namespace else ""
        yield f"pods{suffix}", PodSource(access, intake.accept, scope)
        yield f"jobs{suffix}", JobSource(access, intake.accept, scope)
        yield f"deployments{suffix}", RolloutSource(access, DEPLOYMENTS, *callbacks, scope, others=others)
        yield f"statefulsets{suffix}", RolloutSource(access, STATEFUL_SETS, *callbacks, scope, others=others)
        yield f"daemonsets{suffix}", RolloutSource(access, DAEMON_SETS, *callbacks, scope, others=others)
    yield from policies.watches()


async def _update_metrics(process: Process, watches: Watches, starter: WorkflowStarter) -> NoReturn:
    """Probe Temporal and update the gauges until cancelled; then remove them: only the acting operator has them."""
    try:
        while True:
            await starter.probe()
            for name, stats in watches.items():
                _update_watch_metrics(name, stats)
            for part, problem in process.readiness().items():
                metrics.READY.labels(part).set(not problem)
            unavailable = bool(starter.temporal_error)
            await asyncio.sleep(_PROBE_RETRY_INTERVAL_SECONDS if unavailable else _PROBE_INTERVAL_SECONDS)
    finally:
        metrics.forget()
        outcomes.forget_open()


async def _measure_backlog(client: Client, queue: str) -> NoReturn:
    while True:
        for each in (queue, watch_queue(queue)):
            await backlog.measure(client, each)
        await asyncio.sleep(_BACKLOG_INTERVAL_SECONDS)


def _update_watch_metrics(name: str, stats: WatchStats) -> None:
    metrics.WATCH_OBJECTS.labels(name).set(stats.objects)
    metrics.WATCH_EVENTS.labels(name).set(stats.events)
    metrics.WATCH_RELISTS.labels(name).set(stats.relists)
    metrics.WATCH_UNDECODABLE.labels(name).set(stats.undecodable)
    metrics.WATCH_SYNCED.labels(name).set(stats.synced)
