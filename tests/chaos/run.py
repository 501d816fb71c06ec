"""Chaos rounds: break many workloads at once, inject faults, wait for every incident's end, check the outcome."""

import asyncio
import random  # noqa: TID251 - seeded, and no part of the brain
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from chaos.assertions import Problem, RoundAssertions
from chaos.fault_injection import EXTRA_INJECTIONS, FaultInjection, plan_round, plan_short_round, retry_next_round
from chaos.interventions import Intervention
from chaos.processes import ProcessSet
from chaos.proxy import NetworkFaults, Proxy
from chaos.results import ChaosResults
from chaos.scheduler import FaultScheduler
from chaos.workloads import ChaosWorkload, create_namespace, create_round_workloads, draw_break_delays, retry_until_done
from support.api import Object, until
from support.cases.run import CLOSED
from support.cluster import Cluster
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_workflows.contracts.healing import workflow_id
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import PrunellaError, Unavailable

_KNOWN_GOOD_TIMEOUT_SECONDS = 240.0
_ROUND_TIMEOUT_SECONDS = 900.0
"""Seconds: more than the longest pause between two tries of an activity, 256 s."""
_WORKFLOW_TIMEOUT_SECONDS = 180.0
_SETTLE_SECONDS = 3.0
"""Seconds after the end in which a late write would still show itself."""
_INTENSITIES = (0.5, 1.0, 1.5, 0.0)
_MAX_RETRIES = 2
"""Rounds in which an injection whose point was not reached is retried."""


@dataclass
class ChaosRun:
    """The rounds of one kind of Prunella."""

    cluster: Cluster
    user: str
    run_id: str
    seed: str
    longest: float
    processes: ProcessSet
    proxy: Proxy
    scheduler: FaultScheduler
    results: ChaosResults
    folder: Path
    log_progress: Callable[[str], None]
    short: bool = False
    more: int = EXTRA_INJECTIONS
    workloads: dict[int, list[ChaosWorkload]] = field(default_factory=dict)
    _retries: list[FaultInjection] = field(default_factory=list)
    _faults_stopped: bool = True

    def run_rounds(self, rounds: range, until_monotonic: float | None = None) -> None:
        """Play every round, even after one that fails. None begins after the given time."""
        self.prepare_round(rounds[0])
        for number in rounds:
            if until_monotonic is not None and time.monotonic() > until_monotonic:
                self.log_progress(f"chaos: time is over before round {self.name(number)}")
                self._delete_namespace(number)
                return
            began = time.monotonic()
            if number + 1 in rounds:
                self.prepare_round(number + 1)
            found = self.run_round(number)
            took = time.monotonic() - began
            self.results.add_round(self.name(number), took, found)
            injections = len(self.results.injected)
            self.log_progress(
                f"chaos: round {self.name(number)}: {len(found)} problems ({took:.0f} s), {injections} injections"
            )
            for item in found:
                self.log_progress(f"    {item}")

    def name(self, number: int) -> str:
        return f"{self.processes.kind}-{number}"

    def namespace(self, number: int) -> str:
        return f"chaos-{self.name(number)}-{self.run_id}"

    def prepare_round(self, number: int) -> None:
        """Create a round's workloads, healthy; they become known as good during the round before."""
        workloads = create_round_workloads(self.cluster.api, self.namespace(number), number, short=self.short)
        create_namespace(self.cluster.api, self.namespace(number))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ChaosWorkload.make, workloads))
        self.workloads[number] = workloads

    def injections(self, number: int) -> list[FaultInjection]:
        if self.short:
            return plan_short_round(f"{self.seed}/{number}", self.longest)
        return [*plan_round(self.seed, number, self.longest, self.processes.targets, self.more), *self._retries]

    def run_round(self, number: int) -> list[Problem]:
        seed, workloads = f"{self.seed}/{self.processes.kind}/{number}", self.workloads[number]
        until(
            lambda: all(workload.is_good() for workload in workloads),
            _KNOWN_GOOD_TIMEOUT_SECONDS,
            "all are known to be well",
            every=1,
        )
        self.processes.scale_workers(number)
        injections = self.injections(number)
        interventions = {
            workload.name: Intervention(workload, lambda: self.scheduler.down)
            for workload in workloads
            if workload.intervention
        }
        self.proxy.network_faults = NetworkFaults(seed, 0.0 if self.short else _INTENSITIES[number % len(_INTENSITIES)])
        self.proxy.pod_metrics = lambda _: {"items": [usage for workload in workloads for usage in workload.usage()]}
        self._faults_stopped = self.short
        self.scheduler.targets = self.processes.parts | self.processes.dependencies
        self.scheduler.arm(injections, interventions)
        pids = {name: target.pid for name, target in self.processes.parts.items()}
        self._break(workloads, draw_break_delays(workloads, random.Random(f"{seed}/moments")))
        found = self._wait_until_over(workloads, interventions)
        self._stop_network_faults()
        self.scheduler.stop()
        begun = self._record_injections(injections, number)
        found += self._process_problems(pids, begun)
        until(lambda: self.proxy.idle, 60, "the last late call has come")
        time.sleep(_SETTLE_SECONDS)
        found += self._workflow_problems(number)
        if any(
            workload.deleted for workload in workloads
        ):  # an undo that came late brings the fault back, and another incident
            found += self._wait_until_over(workloads, interventions)
            found += self._workflow_problems(number)
        found += self._intervention_problems(interventions)
        found += self._assert_round(number, begun)
        if found:
            self._write_diagnostics(number)
        self._delete_namespace(number)
        return found

    def _delete_namespace(self, number: int) -> None:
        retry_until_done(
            lambda: self.cluster.api.delete(f"/api/v1/namespaces/{self.namespace(number)}"), "it is cleared"
        )

    def _break(self, workloads: list[ChaosWorkload], moments: dict[str, float]) -> None:
        def break_after_delay(workload: ChaosWorkload) -> None:
            time.sleep(moments[workload.name])
            workload.break_it()

        with ThreadPoolExecutor(len(workloads)) as pool:
            list(pool.map(break_after_delay, workloads))

    def _wait_until_over(self, workloads: list[ChaosWorkload], interventions: dict[str, Intervention]) -> list[Problem]:
        """Wait until every incident is closed and every person has acted."""
        deadline, waiting = time.monotonic() + _ROUND_TIMEOUT_SECONDS, list(workloads)
        while time.monotonic() < deadline:
            if self.scheduler.errors:  # what was not restored stays down; `_process_problems` reports it
                return []
            with suppress(PrunellaError):
                incidents = self.cluster.api.incidents(self.namespace_of(workloads))
                waiting = [workload for workload in workloads if not self._is_over(workload, interventions, incidents)]
                if not waiting and not self.scheduler.down:
                    return []
            if self.scheduler.all_begun and not self.scheduler.down and not self._faults_stopped:
                self._stop_network_faults()
            time.sleep(0.5)
        text = f"not over within {_ROUND_TIMEOUT_SECONDS:.0f} s"
        return [Problem("lost", workload.name, text) for workload in waiting] or [Problem("incomplete", "round", text)]

    def _stop_network_faults(self) -> None:
        """Stop the proxy's faults, so that incidents can end."""
        self.proxy.network_faults, network_faults = NetworkFaults(), self.proxy.network_faults
        self.results.faults += network_faults.made
        self._faults_stopped = True

    @staticmethod
    def namespace_of(workloads: list[ChaosWorkload]) -> str:
        return workloads[0].namespace

    @staticmethod
    def _is_over(workload: ChaosWorkload, interventions: dict[str, Intervention], incidents: list[Object]) -> bool:
        intervention = interventions.get(workload.name)
        return (intervention is None or intervention.is_done) and workload.is_over(incidents, CLOSED)

    def _record_injections(self, injections: list[FaultInjection], number: int) -> list[FaultInjection]:
        """Record the injections that happened; the others are retried."""
        begun = [injection for injection in injections if injection.workload]
        self.results.injected += [(injection, self.name(number)) for injection in begun]
        missed = [injection for injection in injections if not injection.workload]
        self._retries = [retry_next_round(injection) for injection in missed if injection.tries < _MAX_RETRIES]
        self.results.missed.update(" ".join(injection.cell) for injection in missed if injection.tries >= _MAX_RETRIES)
        return begun

    def _process_problems(self, pids: dict[str, int], begun: list[FaultInjection]) -> list[Problem]:
        """Report processes that ended without being killed, or do not become ready again."""
        found = [Problem("incomplete", "chaos", error) for error in self.scheduler.errors]
        self.scheduler.errors.clear()
        for name, target in self.processes.parts.items():
            killed = any((injection.process, injection.action) == (name, "killed") for injection in begun)
            try:
                target.process.wait_ready(90)
                if not killed and target.pid != pids[name]:
                    found.append(Problem("incomplete", name, "it was restarted unexpectedly"))
            except AssertionError as error:
                found.append(Problem("incomplete", name, str(error)))
                if not target.process.running:
                    target.process.start()
        return found

    def _workflow_problems(self, number: int) -> list[Problem]:
        """Check that each ends by itself. It may last longer than the incident: if the response to the closing report
        was lost, the report is repeated, and people are notified after it.
        """
        names = {incident["metadata"]["uid"]: incident["metadata"]["name"] for incident in self._all_incidents(number)}
        deadline, states = time.monotonic() + _WORKFLOW_TIMEOUT_SECONDS, dict[str, str]()
        while time.monotonic() < deadline:
            states = asyncio.run(_workflow_states(self.processes.temporal_address, list(names)))
            if "RUNNING" not in states.values():
                break
            time.sleep(1)
        bad = {uid: state for uid, state in states.items() if state not in {"COMPLETED", "CANCELED"}}
        return [Problem("lost", names[uid].rpartition("-")[0], f"its workflow is {bad[uid]}") for uid in bad]

    def _all_incidents(self, number: int) -> list[Object]:
        """All incidents of a round, those that people deleted included."""
        now = retry_until_done(lambda: self.cluster.api.incidents(self.namespace(number)), "incidents are read")
        return [*now, *(gone for workload in self.workloads[number] for gone in workload.deleted)]

    def _intervention_problems(self, interventions: dict[str, Intervention]) -> list[Problem]:
        for intervention in interventions.values():
            self.results.interventions[
                intervention.workload.intervention, bool(intervention.during)
            ] += not intervention.is_pending
        errors = {name: intervention.error for name, intervention in interventions.items()}
        return [Problem("incomplete", name, error) for name, error in errors.items() if error]

    def _assert_round(self, number: int, begun: list[FaultInjection]) -> list[Problem]:
        dark = any(
            injection.action == "killed" and injection.target in {"kube-apiserver", "etcd"} for injection in begun
        )
        workloads = self.workloads[number]
        gone = [incident["metadata"]["uid"] for workload in workloads for incident in workload.deleted]
        deleted_statuses = asyncio.run(_query_statuses(self.processes.temporal_address, gone))
        parts = (self.cluster.api, self.cluster.audit, self.user, self.namespace(number), workloads)
        incidents = retry_until_done(lambda: self.cluster.api.incidents(self.namespace(number)), "incidents are read")
        for incident in incidents:
            name = incident["spec"]["target"]["name"]
            self.results.ends[name, (incident.get("status") or {}).get("phase", "Pending")] += 1
        self.results.ends.update(
            (workload.name, "deleted by a person") for workload in workloads for _ in workload.deleted
        )
        return retry_until_done(
            RoundAssertions(*parts, complete_log=not dark, deleted_statuses=deleted_statuses).problems, "it is judged"
        )

    def _write_diagnostics(self, number: int) -> None:
        path = self.folder / f"{self.name(number)}.txt"
        path.write_text("\n".join(f"=== {title}\n{text}" for title, text in self.diagnostics(number)))
        self.log_progress(f"chaos: what is known of round {self.name(number)} is in {path}")

    def undeleted_namespaces(self) -> Iterator[Problem]:
        """Namespaces that are not deleted: an object in them keeps a finalizer."""
        for number in self.workloads:
            path = f"/api/v1/namespaces/{self.namespace(number)}"
            try:
                until(
                    lambda path=path: retry_until_done(lambda: self.cluster.api.find(path), path) is None,
                    120,
                    "it goes",
                )
            except AssertionError:
                live = self.cluster.api.find(path) or {}
                yield Problem("incomplete", self.namespace(number), yaml.safe_dump(live.get("status")))

    def diagnostics(self, number: int) -> Iterator[tuple[str, str]]:
        for incident in self.cluster.api.incidents(self.namespace(number)):
            incident["metadata"].pop("managedFields", None)
            yield f"incident {incident['metadata']['name']}", yaml.safe_dump(incident, sort_keys=False, width=140)
        writes = [write for write in self.cluster.audit.writes(self.user, self.namespace(number)) if write.of_a_user]
        yield "writes", "\n".join(f"{write.at} {write}" for write in writes)
        injected = [str(injection) for injection, at in self.results.injected if at == self.name(number)]
        yield "injections", "\n".join(injected)
        for name, target in self.processes.parts.items():
            yield f"the end of {name}'s log", target.process.tail(2000)

    def delete_namespaces(self) -> None:
        """Delete every namespace, whatever state it is in."""
        for number in self.workloads:
            with suppress(Unavailable):
                self.cluster.api.delete(f"/api/v1/namespaces/{self.namespace(number)}")


async def _workflow_states(address: str, uids: list[str]) -> dict[str, str]:
    client = await Client.connect(address)
    handles = {uid: client.get_workflow_handle(workflow_id(uid)) for uid in uids}
    return {uid: (await handle.describe()).status.name for uid, handle in handles.items()}


async def _query_statuses(address: str, uids: list[str]) -> dict[str, Object]:
    """Query workflows for the statuses of their incidents."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    handles = {uid: client.get_workflow_handle(workflow_id(uid)) for uid in uids}
    return {uid: (await handle.query(SelfHealing.get_state)).to_object() for uid, handle in handles.items()}
