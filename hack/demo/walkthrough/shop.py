"""The sample shop that is broken and healed: its manifests, and the conditions to wait for between steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunella_operator.kubernetes.api import Api
from prunella_workflows.model.errors import NotFound, PrunellaError, Unavailable
from walkthrough.console import DemoError
from walkthrough.objects import MANAGER, Applier, Object

SAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "samples"
NAMESPACE = "shop"
FAULTS = ("bad-release", "oom-killed")
KNOWN_GOOD = "prunella.dev/snapshot=known-good"


def check_namespace(api: Api) -> None:
    """Check that the namespace of the shop does not exist, or was made by an earlier demo.

    Raises:
        DemoError: it belongs to someone else, and the demo would overwrite its objects.
    """
    try:
        metadata = api.call("GET", f"/api/v1/namespaces/{NAMESPACE}")["metadata"]
    except NotFound:
        return
    if MANAGER not in [entry.get("manager") for entry in metadata.get("managedFields") or ()]:
        raise DemoError(
            f"the namespace {NAMESPACE} exists, and the demo did not make it: it would overwrite what is there. "
            "Nothing was changed. Name a throw-away cluster without this namespace, "
            "or leave out --context and choose another --name, and the demo makes a cluster."
        )


@dataclass(frozen=True)
class Shop:
    """The samples on one cluster. `check_running` raises when Prunella has ended, so that no wait is in vain.

    With another `namespace` it waits for the workloads of others there.
    """

    api: Api
    applier: Applier
    check_running: Callable[[], None]
    namespace: str = NAMESPACE

    def deploy(self) -> tuple[str, ...]:
        """Apply the healthy workloads and return the names of the Deployments."""
        for name in ("namespace.yaml", "policy.yaml"):
            self.applier.apply_file(SAMPLES / name)
        applied = [obj for fault in FAULTS for obj in self.applier.apply_file(SAMPLES / fault / "before.yaml")]
        return tuple(obj["metadata"]["name"] for obj in applied if obj["kind"] == "Deployment")

    def inject_faults(self) -> None:
        """Apply the faults."""
        for fault in FAULTS:
            self.applier.apply_file(SAMPLES / fault / "break.yaml")

    def wait_available(self, names: Sequence[str], timeout: float = 120.0) -> None:
        """Wait until every Deployment is rolled out. `timeout` is in seconds, as below."""
        self._wait(lambda: self._unavailable(names), timeout, "not available")

    def wait_known_good(self, names: Sequence[str], timeout: float = 90.0) -> None:
        """Wait until Prunella has recorded each Deployment's template as known good, so that it can roll back to it."""
        self._wait(lambda: self._unrecorded(names), timeout, "not recorded as known good by Prunella")

    def _unavailable(self, names: Sequence[str]) -> list[str]:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        return [name for name in names if not _is_complete(self.api.call("GET", f"{path}/{name}"))]

    def _unrecorded(self, names: Sequence[str]) -> list[str]:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/controllerrevisions"
        recorded = [item["metadata"]["name"] for item in self.api.call("GET", path, labelSelector=KNOWN_GOOD)["items"]]
        return [name for name in names if not any(revision.startswith(f"{name}-") for revision in recorded)]

    def _wait(self, list_missing: Callable[[], list[str]], timeout: float, problem: str) -> None:
        deadline, missing = time.monotonic() + timeout, ["?"]
        while time.monotonic() < deadline:
            self.check_running()
            try:
                missing = list_missing()
            except Unavailable as error:
                missing = [str(error)]
            if not missing:
                return
            time.sleep(0.5)
        raise DemoError(f"after {timeout:.0f} s {problem}: {', '.join(missing)}.\n{self._describe_pods()}")

    def _describe_pods(self) -> str:
        try:
            pods = self.api.call("GET", f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        except PrunellaError as error:
            return str(error)
        return "\n".join(_describe_pod(pod) for pod in pods)


def _is_complete(deployment: Object) -> bool:
    status, replicas = deployment.get("status", {}), deployment["spec"]["replicas"]
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    return observed and all(status.get(count, 0) == replicas for count in counts)


def _describe_pod(pod: Any) -> str:
    status = pod["status"]
    waits = [next(iter(container["state"].items())) for container in status.get("containerStatuses") or ()]
    states = ", ".join(f"{state}: {detail.get('reason', '')} {detail.get('message', '')}" for state, detail in waits)
    unmet = [
        condition.get("message", "") for condition in status.get("conditions") or () if condition["status"] == "False"
    ]
    return f"pod {pod['metadata']['name']}: {status['phase']} {states} {'; '.join(filter(None, unmet))}"
