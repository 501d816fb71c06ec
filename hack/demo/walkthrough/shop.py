"""The shop that is broken and healed: its samples, and what has to be true between the steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunella_operator.kubernetes.api import Api
from prunella_workflows.model.errors import PrunellaError, Unavailable
from walkthrough.console import DemoError
from walkthrough.objects import Applier, Object

SAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "samples"
NAMESPACE = "shop"
FAULTS = ("bad-release", "oom-killed")
KNOWN_GOOD = "prunella.dev/snapshot=known-good"
Alive = Callable[[], None]


@dataclass(frozen=True)
class Shop:
    """The samples on one cluster. `alive` raises when Prunella is gone, so that no wait is in vain."""

    api: Api
    applier: Applier
    alive: Alive

    def open(self) -> tuple[str, ...]:
        """Apply the healthy workloads; the names of the Deployments."""
        for name in ("namespace.yaml", "policy.yaml"):
            self.applier.file(SAMPLES / name)
        applied = [one for fault in FAULTS for one in self.applier.file(SAMPLES / fault / "before.yaml")]
        return tuple(one["metadata"]["name"] for one in applied if one["kind"] == "Deployment")

    def break_it(self) -> None:
        """Apply the faults."""
        for fault in FAULTS:
            self.applier.file(SAMPLES / fault / "break.yaml")

    def wait_available(self, names: Sequence[str], timeout: float = 120.0) -> None:
        """Return when every Deployment is rolled out."""
        self._wait(lambda: self._unavailable(names), timeout, "not available")

    def wait_known_good(self, names: Sequence[str], timeout: float = 90.0) -> None:
        """Return when Prunella has recorded each Deployment's template as good, to have one to roll back to."""
        self._wait(lambda: self._unrecorded(names), timeout, "not recorded as known good by Prunella")

    def _unavailable(self, names: Sequence[str]) -> list[str]:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
        return [name for name in names if not _complete(self.api.call("GET", f"{path}/{name}"))]

    def _unrecorded(self, names: Sequence[str]) -> list[str]:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/controllerrevisions"
        recorded = [item["metadata"]["name"] for item in self.api.call("GET", path, labelSelector=KNOWN_GOOD)["items"]]
        return [name for name in names if not any(one.startswith(f"{name}-") for one in recorded)]

    def _wait(self, missing: Callable[[], list[str]], timeout: float, what: str) -> None:
        until, left = time.monotonic() + timeout, ["?"]
        while time.monotonic() < until:
            self.alive()
            try:
                left = missing()
            except Unavailable as error:
                left = [str(error)]
            if not left:
                return
            time.sleep(0.5)
        raise DemoError(f"after {timeout:.0f} s {what}: {', '.join(left)}.\n{self._pods()}")

    def _pods(self) -> str:
        try:
            pods = self.api.call("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        except PrunellaError as error:
            return str(error)
        return "\n".join(_pod_line(pod) for pod in pods)


def _complete(deployment: Object) -> bool:
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    fresh = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    return fresh and all(status.get(count, 0) == wanted for count in counts)


def _pod_line(pod: Any) -> str:
    status = pod["status"]
    waits = [
        next(iter(containerstatuse["state"].items())) for containerstatuse in status.get("containerStatuses") or ()
    ]
    states = ", ".join(f"{state}: {detail.get('reason', '')} {detail.get('message', '')}" for state, detail in waits)
    unmet = [
        condition.get("message", "") for condition in status.get("conditions") or () if condition["status"] == "False"
    ]
    return f"pod {pod['metadata']['name']}: {status['phase']} {states} {'; '.join(filter(None, unmet))}"
