"""A storm: hundreds of workloads break within a minute, on simulated nodes, under budgets that forbid to repair all.

The control plane, Prunella and Temporal are real; kwok plays the kubelets, and the storm writes what a kubelet would
write about a pod that is out of memory or whose new release crashes. Then it posts a critical alert about that pod, as
Alertmanager would: it must join the incident that the pod has, or open it, whichever comes first.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from chaos.assertions import Problem
from chaos.fault_injection import written_action
from chaos.storm_checks import alerts, at_once, doubled, workflows, written
from chaos.storm_parts import StormWorkload
from support import samples
from support.alert_storm import HEADERS
from support.api import Api, Object, path_of, until
from support.audit import AuditLog, Write
from support.cases.run import CLOSED
from support.notifications import body
from support.outage import Temporal
from support.prunella import PrunellaProcess

from prunella_operator import clock
from prunella_operator.alerts.webhook import PATH
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views import revisions
from prunella_workflows.model.labels import SNAPSHOT
from prunella_workflows.model.outcome import SERVED_BY_EXISTING_PODS

_READY_WITHIN = 900.0
_FIRST_REPAIR_WITHIN = 60
_ENDS = {("Healed", "Stable"), ("Healed", SERVED_BY_EXISTING_PODS), ("Escalated", "BudgetSpent")}
_CALLS = 'apiserver_flowcontrol_dispatched_requests_total{flow_schema="service-accounts"'
"""The API server's own count of calls by service accounts: Prunella is the only one here."""


@dataclass(frozen=True)
class Size:
    """The size of a storm, and the budgets that limit its repairs."""

    namespaces: int
    each: int
    """Deployments in each namespace; every fourth gets a bad release, the others run out of memory."""
    seconds: float
    here: int
    """Repairs at once in a namespace."""
    everywhere: int
    """Repairs at once in the cluster."""
    hour_here: int
    hour_everywhere: int
    within: float
    """Seconds until everything must be over."""

    @property
    def faults(self) -> int:
        return self.namespaces * self.each

    @property
    def repairs(self) -> int:
        """The number of workloads that may be repaired."""
        return min(self.hour_everywhere, self.namespaces * min(self.each, self.hour_here))


HUGE = Size(20, 100, 120, here=50, everywhere=400, hour_here=200, hour_everywhere=4000, within=3600)
"""All may be repaired: what limits it is the machine."""
LARGE = Size(10, 40, 60, here=4, everywhere=16, hour_here=30, hour_everywhere=240, within=1500)
SMALL = Size(6, 10, 9, here=3, everywhere=10, hour_here=8, hour_everywhere=36, within=240)


@dataclass
class Storm:
    """One storm, from setup to cleanup."""

    api: Api
    audit: AuditLog
    user: str
    temporal: Temporal
    parts: dict[str, PrunellaProcess]
    run: str
    size: Size
    log_progress: Callable[[str], None]
    began: datetime = field(init=False)
    workloads: list[StormWorkload] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def namespaces(self) -> list[str]:
        return [f"storm-{number}-{self.run}" for number in range(self.size.namespaces)]

    def prepare(self) -> None:
        """Wait until everything is healthy and recorded as known good."""
        size, everywhere = self.size, self._everywhere()
        self.api.apply(everywhere)
        for namespace in self.namespaces:
            self.api.apply(samples.namespace_of(None, namespace, {"prunella-tests": "storm"}), self._policy(namespace))
            names = [(f"service-{number}", number % 4 == 0) for number in range(size.each)]
            self.workloads += [StormWorkload(self.api, namespace, name, release) for name, release in names]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(StormWorkload.make, self.workloads))
        self.log_progress(f"storm: {len(self.workloads)} Deployments made")
        until(self._all_known, _READY_WITHIN, "every template is known to be good", every=5)
        self.log_progress("storm: all are known to be well")

    def _policy(self, namespace: str) -> Object:
        budgets = {"concurrentPerNamespace": self.size.here, "perHourPerNamespace": self.size.hour_here}
        times = {"grace": "1s", "cooldown": "10m", "verification": {"window": "3s", "timeout": "5m"}}
        return samples.policy(namespace, budgets={**budgets, "perHourPerWorkload": 2}, **times)

    def _everywhere(self) -> Object:
        size = self.size
        budgets = {"concurrentPerCluster": size.everywhere, "perHourPerCluster": size.hour_everywhere}
        meta = {"name": "storm"}
        kind = {"apiVersion": "prunella.dev/v1alpha1", "kind": "ClusterHealingPolicy"}
        return {**kind, "metadata": meta, "spec": {"budgets": budgets}}

    def _all_known(self) -> bool:
        wanted = f"{SNAPSHOT}={revisions.KNOWN_GOOD}"
        path = "/apis/apps/v1/controllerrevisions"
        found = [item["metadata"]["namespace"] for item in self.api.items(path, labelSelector=wanted)]
        self.audit.read_on()
        return sum(item in self.namespaces for item in found) >= len(self.workloads)

    def break_all(self) -> None:
        """Break everything within the given time, then wait until every incident is over."""
        calls, began, self.began = self._calls(), time.monotonic(), clock.now()
        pause = self.size.seconds / len(self.workloads)

        def one_by_one(number: int) -> None:
            time.sleep(max(0.0, began + number * pause - time.monotonic()))
            self._post(self.workloads[number].break_it())

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one_by_one, range(len(self.workloads))))
        self.results["seconds until all are broken"] = round(time.monotonic() - began)
        until(lambda: len(self._incidents()) >= self.size.faults, 120, "every fault has its incident", every=1)
        self.results["seconds until all are opened"] = round(time.monotonic() - began)
        self.log_progress(f"storm: all are opened ({time.monotonic() - began:.0f} s)")
        try:
            until(self._over, self.size.within, "all are closed", every=max(2, self.size.faults / 100))
        finally:
            self.results["seconds until all are closed"] = round(time.monotonic() - began)
            self._measure(calls)

    def _post(self, alert: Object) -> None:
        """Post the alert again until it is accepted, as Alertmanager does."""
        url = f"http://127.0.0.1:{self.parts['operator'].settings['webhook_port']}{PATH}"
        request = Request(url, data=body(alert), headers=HEADERS)

        def taken() -> bool:
            try:
                with urlopen(request, timeout=10) as answer:
                    return bool(answer.status == 200)
            except HTTPError as error:
                if error.code not in {429, *range(500, 600)}:  # what is refused is not sent again
                    raise
            except OSError:
                pass  # late
            return False

        until(taken, 120, "the alert is taken", every=1)

    def _measure(self, calls: int) -> None:
        for name, part in self.parts.items():
            status = Path(f"/proc/{part.pid}/status").read_text()
            (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
            self.results[f"peak memory of the {name} (MiB)"] = int(peak) // 1024
            user, system = Path(f"/proc/{part.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            self.results[f"CPU of the {name} (s)"] = (int(user) + int(system)) // os.sysconf("SC_CLK_TCK")
        self.results["API calls for each incident"] = round((self._calls() - calls) / self.size.faults, 1)

    def _calls(self) -> int:
        lines = self.api.text("/metrics").splitlines()
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith(_CALLS)))

    def _incidents(self) -> list[Object]:
        found = self.api.items("/apis/prunella.dev/v1alpha1/incidents")
        self.audit.read_on()
        return [item for item in found if item["metadata"]["namespace"] in self.namespaces]

    def _over(self) -> bool:
        phases = Counter((incident.get("status") or {}).get("phase", "Pending") for incident in self._incidents())
        self.log_progress(f"storm: {dict(phases)}")
        return CLOSED.issuperset(phases)

    def problems(self) -> list[Problem]:
        """Check it against the audit log, the objects and Temporal."""
        incidents = self._incidents()
        writes = [
            write
            for namespace in self.namespaces
            for write in self.audit.writes(self.user, namespace)
            if write.of_a_user and write.made
        ]
        self._count(incidents, writes)
        return [
            *self._lost(incidents),
            *asyncio.run(workflows(self.temporal.address, incidents)),
            *asyncio.run(alerts(self.temporal.address, [workload.fingerprint for workload in self.workloads])),
            *doubled(writes, incidents),
            *self._first_repair(writes),
            *self._generations(incidents),
            *self._budgets(incidents, writes),
        ]

    def _count(self, incidents: list[Object], writes: list[Write]) -> None:
        ends = Counter(
            f"{incident['status'].get('phase')}/{incident['status'].get('reason')}" for incident in incidents
        )
        self.results.update({f"incidents that ended {end}": count for end, count in sorted(ends.items())})
        self.results["writes to workloads"] = len(writes)

    def _lost(self, incidents: list[Object]) -> Iterator[Problem]:
        """Check that each fault has one incident, which is healed, or escalated because the hour's budget is spent."""
        targets = [(incident["metadata"]["namespace"], incident["spec"]["target"]["name"]) for incident in incidents]
        found = Counter(targets)
        for workload in self.workloads:
            if (count := found[workload.namespace, workload.name]) != 1:
                yield Problem(
                    "doubled" if count else "lost", f"{workload.namespace}/{workload.name}", f"{count} incidents"
                )
        for incident in incidents:
            status = incident.get("status") or {}
            end = status.get("phase"), status.get("reason")
            if end not in _ENDS:
                yield Problem("incomplete", incident["metadata"]["name"], f"{end}: {status.get('message')}")

    def _first_repair(self, writes: list[Write]) -> Iterator[Problem]:
        """Check that hundreds of diagnoses do not keep the first repair waiting."""
        first = min((datetime.fromisoformat(write.at) for write in writes), default=None)
        if first is None:
            yield Problem("incomplete", "cluster", "nothing was repaired")
            return
        self.results["seconds until the first repair"] = seconds = round((first - self.began).total_seconds())
        if seconds > _FIRST_REPAIR_WITHIN:
            yield Problem("late", "cluster", f"the first repair came after {seconds} s")

    def _generations(self, incidents: list[Object]) -> Iterator[Problem]:
        """Check the objects themselves, which count every write of their spec."""
        reported = {
            (incident["metadata"]["namespace"], incident["spec"]["target"]["name"]): len(written(incident))
            for incident in incidents
        }
        for namespace in self.namespaces:
            found = self.api.items(paths.collection("Deployment", namespace))
            live = {item["metadata"]["name"]: item["metadata"]["generation"] for item in found}
            for workload in (workload for workload in self.workloads if workload.namespace == namespace):
                rise = live[workload.name] - workload.broken["metadata"]["generation"]
                if rise != reported.get((namespace, workload.name), 0):
                    yield Problem("doubled", f"{namespace}/{workload.name}", f"its spec was written {rise} times")

    def _budgets(self, incidents: list[Object], writes: list[Write]) -> Iterator[Problem]:
        """Check the budgets: a repair runs from its write to its verdict."""
        size, at = self.size, {written_action(write.request): datetime.fromisoformat(write.at) for write in writes}
        runs = [
            (incident["metadata"]["namespace"], at[attempt["actionId"]], datetime.fromisoformat(attempt["finishedAt"]))
            for incident in incidents
            for attempt in written(incident)
            if attempt["actionId"] in at and attempt.get("finishedAt")
        ]
        self.results["repairs at once in the cluster, at most"] = most = at_once(runs)
        here = {namespace: at_once(run for run in runs if run[0] == namespace) for namespace in self.namespaces}
        self.results["repairs at once in a namespace, at most"] = max(here.values())
        made = Counter(namespace for namespace, _, _ in runs)
        self.results["repairs in the hour in a namespace, at most"] = max(made.values(), default=0)
        self.results["repairs in the hour"] = len(runs)
        if most > size.everywhere:
            yield Problem("budget", "cluster", f"{most} repairs at once, {size.everywhere} allowed")
        for namespace, count in here.items():
            if count > size.here:
                yield Problem("budget", namespace, f"{count} repairs at once, {size.here} allowed")
        for namespace, count in made.items():
            if count > size.hour_here:
                yield Problem("budget", namespace, f"{count} repairs in the hour, {size.hour_here} allowed")
        if len(runs) > size.hour_everywhere:
            yield Problem("budget", "cluster", f"{len(runs)} repairs in the hour, {size.hour_everywhere} allowed")
        if len(runs) < size.repairs:
            yield Problem("incomplete", "cluster", f"{len(runs)} repairs, {size.repairs} were allowed")

    def clear(self) -> None:
        for namespace in self.namespaces:
            self.api.delete(f"/api/v1/namespaces/{namespace}")
        self.api.delete(path_of(self._everywhere()))
