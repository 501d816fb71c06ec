"""The workloads of a round: each has one fault, and one end that this fault must come to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from support import samples
from support.api import Api, Object, until
from support.deployments import a_deployment
from support.outage import GRACE, WINDOW, Patient

T = TypeVar("T")

ASKS = "chaos-asks"
_PATIENTLY = 240.0
_CRASH = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "100ms"}
_PLENTY = {"concurrentPerNamespace": 50, "perHourPerWorkload": 50, "perHourPerNamespace": 500}
_CLUSTER = {"concurrentPerCluster": 200, "perHourPerCluster": 5000}


def surely(call: Callable[[], T], what: str) -> T:
    """Call until the API server takes it: it may be away just now. For calls that may be repeated."""
    return until(lambda: (call(),), _PATIENTLY, what)[0]


@dataclass
class ChaosPatient(Patient):
    """One Deployment, the fault it gets, and how that must end."""

    kind: str = "release"
    ends: str = "Healed"
    answer: str = ""
    """What a person says when asked; "" where nobody is asked."""
    first: Object = field(default_factory=dict)

    @property
    def _config(self) -> Callable[..., Object]:
        meta = {"name": self.name, "namespace": self.namespace}
        return lambda **data: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}

    def _deployment(self, version: int = 1, replicas: int = 1, env: dict[str, str] | None = None) -> Object:
        spec = {"strategy": {"type": "Recreate"}} if self.kind == "dependency" else {}
        labels = {ASKS: "yes"} if self.answer else {}
        one = a_deployment(
            self.namespace, self.name, version=version, replicas=replicas, env=env, labels=labels, **spec
        )
        container = one["spec"]["template"]["spec"]["containers"][0]
        container["envFrom"] = [{"configMapRef": {"name": self.name}}]
        return one

    def make(self) -> None:
        surely(lambda: self.api.apply(self._config(SHOP_MEMORY_MIB="4"), self._deployment()), f"{self.name} is made")

    def break_it(self) -> None:
        self.first = surely(self.live, f"{self.name} is read")
        config, one = {
            "release": ({}, self._deployment(2, env=_CRASH)),
            "dependency": ({"SHOP_REQUIRE_ENV": "NOBODY_SETS_THIS"}, self._deployment(2)),
            "memory": ({"SHOP_MEMORY_MIB": "90"}, self._deployment(replicas=2)),
            "glutton": ({"SHOP_MEMORY_MIB": "400"}, self._deployment(replicas=2)),
        }[self.kind]
        config = {"SHOP_MEMORY_MIB": "4", **config}
        _, self.broken = surely(lambda: self.api.apply(self._config(**config), one), f"{self.name} is broken")

    def approve(self, incident: Object) -> None:
        """A person's answer; who merges it twice says the same."""
        meta = incident["metadata"]
        path = f"/apis/prunella.dev/v1alpha1/namespaces/{self.namespace}/incidents/{meta['name']}"
        self.api.patch(path, {"spec": {"approval": {"decision": self.answer, "by": "chaos", "reason": "a test"}}})

    def template(self) -> Object:
        """The pod template that must be in force at the end."""
        wanted = (self.first if (self.kind, self.ends) == ("release", "Healed") else self.broken)["spec"]["template"]
        if self.kind != "memory":
            return wanted
        (one,) = wanted["spec"]["containers"]
        resources = {**one["resources"], "limits": {**one["resources"]["limits"], "memory": "128Mi"}}
        return {**wanted, "spec": {**wanted["spec"], "containers": [{**one, "resources": resources}]}}


def of_round(api: Api, namespace: str, *, rejects: bool, glutton: bool) -> list[ChaosPatient]:
    """Eight patients, or seven without the one that takes longest."""
    make = partial(ChaosPatient, api, namespace)
    no = {"answer": "Rejected", "ends": "Escalated"}
    return [
        make("release-a"),
        make("release-b"),
        make("memory-a", kind="memory"),
        make("memory-b", kind="memory"),
        make("asks-a", answer="Approved"),
        make("asks-b", **(no if rejects else {"answer": "Approved"})),
        make("dependency", kind="dependency", ends="Escalated"),
        *([make("glutton", kind="glutton", ends="Escalated")] if glutton else []),
    ]


def space(api: Api, namespace: str) -> None:
    """A namespace in which Prunella heals, quickly, and asks before it touches some."""
    settings = {"grace": GRACE, "verification": {"window": WINDOW, "timeout": "5m"}, "budgets": _PLENTY}
    usual = samples.policy(namespace, limits={"memoryMax": "256Mi"}, **settings)
    asking = samples.policy(namespace, selector={"matchLabels": {ASKS: "yes"}}, approval={"when": "Always"})
    asking["spec"] = {key: asking["spec"][key] for key in ("selector", "approval")}
    asking["metadata"] = {**asking["metadata"], "name": "asking"}
    everywhere = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "ClusterHealingPolicy",
        "metadata": {"name": "chaos"},
        "spec": {"budgets": _CLUSTER},
    }
    one = samples.namespace_of(None, namespace, {"prunella-tests": "chaos"})
    surely(lambda: api.apply(one, usual, asking, everywhere), f"{namespace} is made")
