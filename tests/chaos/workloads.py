"""The workloads of a round: each has one fault, perhaps a person who intervenes, and its expected ends."""

import random  # noqa: TID251 - seeded, and no part of the brain
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from support import samples
from support.api import MANAGER, Api, Object, until
from support.deployments import a_deployment
from support.outage import GRACE, WINDOW, WorkloadUnderTest

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash, template_of

T = TypeVar("T")

NEEDS_APPROVAL, SLOW, SHORT_VERIFICATION = "chaos-asks", "chaos-slow", "chaos-brief"
_LONG_WINDOW = "90s"
"""The time for which a repair is verified if a person intervenes: an outage must not outlast it."""
_RETRY_TIMEOUT_SECONDS = 240.0
_CRASH = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "100ms", "SHOP_READY": "false"}
_LITTLE = {"SHOP_MEMORY_MIB": "4"}
_DATA = {
    "dependency": {"SHOP_REQUIRE_ENV": "NOBODY_SETS_THIS"},
    "memory": {"SHOP_MEMORY_MIB": "90"},
    "glutton": {"SHOP_MEMORY_MIB": "400"},
    "hang": {"SHOP_HANG_AFTER": "3s"},
}
"""The change of each fault to the workload's ConfigMap, which only new pods read."""
_CPU = {"busy": 9_000_000, "busier": 9_500_000}
"""Nanocores; a pod requests ten millicores."""
_PLENTY = {"concurrentPerNamespace": 50, "perHourPerWorkload": 50, "perHourPerNamespace": 500}
_CLUSTER = {"concurrentPerCluster": 200, "perHourPerCluster": 5000}


def retry_until_done(call: Callable[[], T], what: str) -> T:
    """Repeat a call until the API server accepts it, as it may be down. For calls that may be repeated."""
    return until(lambda: (call(),), _RETRY_TIMEOUT_SECONDS, what)[0]


@dataclass
class ChaosWorkload(WorkloadUnderTest):
    """One workload, its fault, and the expected ends."""

    fault: str = "release"
    """release and dependency (a new one, guilty or not), memory and glutton (needs more, more than allowed), hang,
    busy and busier (needs more replicas, and more than would help).
    """
    ends: tuple[str, ...] = ("Healed",)
    intervention: str = ""
    """The kind of person who intervenes (see interventions.py); "" for no one."""
    needs_approval: bool = False
    slow: bool = False
    short_verification: bool = False
    """The repair is soon seen not to help: nothing else happens in that round meanwhile."""
    first: Object = field(default_factory=dict)
    pods: frozenset[str] = frozenset()
    """The uids of the pods that were there before the fault."""
    owner_writes: list[Object] = field(default_factory=list)
    """The owner's writes after the fault, as the API server answered them."""
    deleted: list[Object] = field(default_factory=list)
    """Incidents that a person deleted."""
    suspended_between: tuple[str, str] = ("", "")
    """The two moments between which the incident said that it was suspended."""

    @property
    def plural(self) -> str:
        return f"{self.kind.lower()}s"

    def _config(self, data: dict[str, str]) -> Object:
        meta = {"name": self.name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {**_LITTLE, **data}}

    def _workload(self, version: int = 1, *, more: int = 0, env: dict[str, str] | None = None) -> Object:
        """Release `version`; `more` replicas than at first. A StatefulSet always has a pod that stays healthy."""
        marks = {NEEDS_APPROVAL: self.needs_approval, SLOW: self.slow, SHORT_VERIFICATION: self.short_verification}
        labels = {name: "yes" for name, wanted in marks.items() if wanted}
        replicas = more + (2 if self.kind == "StatefulSet" else 1)
        workload = a_deployment(self.namespace, self.name, version=version, replicas=replicas, env=env, labels=labels)
        spec = workload["spec"]
        spec["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": self.name}}]
        if self.kind == "Deployment" and self.fault == "dependency":
            spec["strategy"] = {"type": "Recreate"}
        if self.kind == "StatefulSet":
            spec["serviceName"] = self.name
        if self.kind == "DaemonSet":
            del spec["replicas"]
        return {**workload, "kind": self.kind}

    def make(self) -> None:
        retry_until_done(lambda: self.api.apply(self._config({}), self._workload()), f"{self.name} is made")

    def break_it(self) -> None:
        if self.fault in _CPU:
            self.first = self.broken = retry_until_done(self.live, f"{self.name} is read")
            retry_until_done(lambda: self.api.apply(self._reported_incident), f"{self.name} is reported as busy")
            return
        self.first = retry_until_done(self.live, f"{self.name} is read")
        self.pods = frozenset(
            pod["metadata"]["uid"] for pod in retry_until_done(self._pods, f"the pods of {self.name} are read")
        )
        release = self.fault in {"release", "dependency"}
        env = _CRASH if self.fault == "release" else None
        workload = self._workload(2, env=env) if release else self._workload(more=1)
        config = self._config(_DATA.get(self.fault, {}))
        _, self.broken = retry_until_done(lambda: self.api.apply(config, workload), f"{self.name} is broken")
        if self.kind == "DaemonSet" and not release:  # no new pod comes by itself
            for pod in retry_until_done(self._pods, f"the pods of {self.name} are read"):
                retry_until_done(
                    lambda pod=pod: self.api.delete(paths.core(self.namespace, "pods", pod["metadata"]["name"])), ""
                )
        if self.fault == "hang":  # the new pod has read it when it runs; what made it hang does not come back
            until(self._all_run, _RETRY_TIMEOUT_SECONDS, f"the new pod of {self.name} runs")
            retry_until_done(lambda: self.api.apply(self._config({})), f"{self.name} no longer hangs")

    @property
    def _reported_incident(self) -> Object:
        """The incident that a person, or an alert, opens."""
        meta = {"name": f"{self.name}-reported", "namespace": self.namespace}
        target = {"apiVersion": "apps/v1", "kind": self.kind, "name": self.name}
        kind = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident"}
        return {**kind, "metadata": meta, "spec": {"target": target, "type": "HighCPU"}}

    def usage(self) -> list[Object]:
        """The usage of its pods, as metrics-server has it: all share the work of one, or each always has as much."""
        if self.fault not in _CPU:
            return []
        pods = [pod for pod in self._pods() if "deletionTimestamp" not in pod["metadata"]]
        each = _CPU[self.fault] // (len(pods) or 1) if self.fault == "busy" else _CPU[self.fault]
        container = {"name": "app", "usage": {"cpu": f"{each}n", "memory": "8Mi"}}
        seen = {"timestamp": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"), "window": "15s", "containers": [container]}
        return [{"metadata": {"name": pod["metadata"]["name"], "namespace": self.namespace}, **seen} for pod in pods]

    def _pods(self) -> list[Object]:
        return self.api.items(f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=f"app={self.name}")

    def _all_run(self) -> bool:
        states = [pod["status"].get("containerStatuses", [{}])[0].get("state", {}) for pod in self._pods()]
        return len(states) == self.broken["spec"]["replicas"] and all("running" in state for state in states)

    def fix_by_release(self) -> None:
        """Fix it as the owner: release 3 runs."""
        both = self._config({}), self._workload(3)
        _, fixed = retry_until_done(lambda: self.api.apply(*both), f"{self.name} gets release 3")
        self.owner_writes.append(fixed)

    def use_short_window(self) -> None:
        """Verify the next repair in the usual time, by a label of the workload, which its generation does not count."""
        self.slow = False
        retry_until_done(
            lambda: self.api.patch(self.path, {"metadata": {"labels": {SLOW: None}}}), f"{self.name} may be quick"
        )

    def incident_path(self, incident: Object) -> str:
        return paths.incidents(self.namespace, incident["metadata"]["name"])

    def is_over(self, incidents: list[Object], closed: frozenset[str]) -> bool:
        """Check that nothing more is expected. After a deletion the workload must be healthy."""
        own = [incident for incident in incidents if (incident["spec"].get("target") or {}).get("name") == self.name]
        if not all((incident.get("status") or {}).get("phase") in closed for incident in own):
            return False
        return self.is_restored() if self.deleted else bool(own)

    def is_restored(self) -> bool:
        """Check that it runs as it did before the fault."""
        live = self.live()
        return same_template(self.kind, live, self.first["spec"]["template"]) and runs(live)

    def expected_spec(self, ended: str) -> Object:
        """The rest of the expected spec: the owner's, except for the replicas of a workload that was scaled out."""
        rest = {key: value for key, value in self.broken["spec"].items() if key != "template"}
        return {**rest, "replicas": 2 * rest["replicas"]} if (self.fault, ended) == ("busy", "Healed") else rest

    def template(self, ended: str) -> Object:
        """The pod template that must be in force when its incident ended so."""
        if self.owner_writes:
            return self.owner_writes[-1]["spec"]["template"]
        if self.fault == "release" and ended == "Healed":
            return self.first["spec"]["template"]
        wanted = self.broken["spec"]["template"]
        if (self.fault, ended) != ("memory", "Healed"):
            return wanted
        (container,) = wanted["spec"]["containers"]
        resources = {**container["resources"], "limits": {**container["resources"]["limits"], "memory": "128Mi"}}
        return {**wanted, "spec": {**wanted["spec"], "containers": [{**container, "resources": resources}]}}


def same_template(kind: str, live: Object, template: Object) -> bool:
    """Check that this template is in force; stamps of restarts do not count."""
    return template_hash(template_of({"kind": kind, **live})) == template_hash(template)


def runs(live: Object) -> bool:
    """Check that all wanted pods have the current template and are available."""
    status, spec = live.get("status") or {}, live["spec"]
    if status.get("observedGeneration") != live["metadata"]["generation"]:
        return False
    if "replicas" not in spec:
        wanted = status.get("desiredNumberScheduled")
        return [status.get(key) for key in ("updatedNumberScheduled", "numberAvailable")] == [wanted] * 2
    return [status.get(key, 0) for key in ("replicas", "availableReplicas")] == [spec["replicas"]] * 2


_USUAL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("release", {}),
    ("memory", {"fault": "memory"}),
    ("stateful", {"kind": "StatefulSet"}),
    ("daemon", {"kind": "DaemonSet"}),
    ("dependency", {"fault": "dependency", "ends": ("Escalated",)}),
    ("asks", {"needs_approval": True, "intervention": "approves"}),
    ("suspended", {"needs_approval": True, "intervention": "suspends"}),
    ("cancelled", {"slow": True, "intervention": "cancels", "ends": ("Cancelled", "Healed")}),
)
_BY_TURNS: tuple[tuple[tuple[str, dict[str, Any]], ...], ...] = (
    (
        ("hangs", {"fault": "hang"}),
        ("stateful-memory", {"fault": "memory", "kind": "StatefulSet"}),
        ("rejected", {"needs_approval": True, "intervention": "rejects", "ends": ("Escalated",)}),
        ("unasked", {"needs_approval": True, "intervention": "cancels before", "ends": ("Cancelled",)}),
        ("forgotten", {"slow": True, "intervention": "deletes"}),
        ("fixed", {"slow": True, "intervention": "fixes", "ends": ("Escalated",)}),
        ("busy", {"fault": "busy"}),
    ),
    (
        ("glutton", {"fault": "glutton", "ends": ("Escalated",)}),
        ("daemon-memory", {"fault": "glutton", "kind": "DaemonSet", "ends": ("Escalated",)}),
        ("dropped", {"needs_approval": True, "intervention": "deletes before"}),
        ("overtaken", {"intervention": "fixes before the write", "ends": ("Recovered", "Escalated")}),
        ("rolled-back", {"fault": "dependency", "intervention": "fixes before the undo", "ends": ("Escalated",)}),
        ("hangs", {"fault": "hang"}),
        ("busy", {"fault": "busy"}),
        ("busier", {"fault": "busier", "short_verification": True, "ends": ("Escalated",)}),
    ),
)
_FEW = ("release", "memory", "stateful", "asks", "cancelled")
"""The workloads of the short round."""


def create_round_workloads(api: Api, namespace: str, number: int, *, short: bool = False) -> list[ChaosWorkload]:
    """Fifteen or sixteen workloads, each kind at least every second round; or the few that are quick."""
    wanted = [row for row in _USUAL if not short or row[0] in _FEW]
    turns = () if short else _BY_TURNS[number % len(_BY_TURNS)]
    return [ChaosWorkload(api, namespace, name, **more) for name, more in (*wanted, *turns)]


def draw_break_delays(workloads: list[ChaosWorkload], rng: random.Random) -> dict[str, float]:
    """Draw the seconds after which each workload breaks."""
    return {workload.name: rng.uniform(0, 4) for workload in workloads}


def create_namespace(api: Api, namespace: str) -> None:
    """A namespace in which Prunella heals, quickly, asks before it touches some, and verifies others for long."""
    settings = {"grace": GRACE, "verification": {"window": WINDOW, "timeout": "5m"}, "budgets": _PLENTY}
    policy = partial(samples.policy, namespace)
    usual = policy(limits={"memoryMax": "256Mi"}, **settings)
    asking = _single_field_policy(
        "asks", policy(selector={"matchLabels": {NEEDS_APPROVAL: "yes"}}, approval={"when": "Always"}), "approval"
    )
    window = {"verification": {"window": _LONG_WINDOW, "timeout": "5m"}}
    slow = _single_field_policy("slow", policy(selector={"matchLabels": {SLOW: "yes"}}, **window), "verification")
    little = {"verification": {"window": WINDOW, "timeout": "2m"}}
    short_verification = _single_field_policy(
        "brief", policy(selector={"matchLabels": {SHORT_VERIFICATION: "yes"}}, **little), "verification"
    )
    everywhere = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "ClusterHealingPolicy",
        "metadata": {"name": "chaos"},
        "spec": {"budgets": _CLUSTER},
    }
    labelled = samples.namespace_of(None, namespace, {MANAGER: "chaos"})
    retry_until_done(
        lambda: api.apply(labelled, usual, asking, slow, short_verification, everywhere), f"{namespace} is made"
    )


def _single_field_policy(name: str, policy: Object, field_name: str) -> Object:
    """A policy of one field for the workloads that its selector names."""
    spec = {key: policy["spec"][key] for key in ("selector", field_name)}
    return {**policy, "metadata": {**policy["metadata"], "name": name}, "spec": spec}
