"""The faults of `aiops.py`, by kind: the change that the owner makes, and the status that a kubelet would write.

A fault strikes by what a pod is, not by which one it was: a pod that a repair has made is struck again unless the
repair removed the cause.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes.pods import ended, waiting
from fakes.statuses import crash_loop, stamp, status_of
from support.api import Object
from support.deployments import a_deployment

from prunella_workflows.model.labels import IGNORE
from prunella_workflows.model.quantity import parse_bytes

REPLICAS = 4
_SETTLE_SECONDS = 5  # minReadySeconds: without it a rollout would replace all pods before the kubelet writes
_ENOUGH = parse_bytes("300Mi")
_AT_MAXIMUM = "2Gi"  # the built-in limits.memoryMax
_NO_IMAGE = "prunella.local/shop:no-such-tag"
_TOO_MUCH = "5000"  # cores: five times a fake node
_SATURATED = 0.036  # cores: 90 % of what four pods request, and 60 % of what six do
_TRACKED = "argocd.argoproj.io/tracking-id"
_TIMED_OUT = (
    'Readiness probe failed: Get "http://10.0.0.7:8080/readyz": context deadline exceeded '
    "(Client.Timeout exceeded while awaiting headers)"
)


@dataclass(frozen=True)
class SeenPod:
    """A pod as the bench sees it: what decides whether a fault strikes it."""

    uid: str
    namespace: str
    name: str
    app: str
    release: str
    memory: int
    """The memory limit, in bytes."""
    started: str
    """The time at which its kubelet accepted it; "" before."""
    running: bool
    ready: bool


Status = Callable[[SeenPod], Object]
"""The status that a kubelet writes about a pod."""


@dataclass(frozen=True)
class Fault:
    """One kind of the mix, as it is played."""

    status: Status | None = None
    """None: no pod fails."""
    release: Callable[[Object], None] | None = None
    """The owner's change, as release 2."""
    strikes: Callable[[SeenPod], bool] = lambda _: True
    only_new: bool = False
    """Only pods that are made after its beginning fail."""
    most: int = REPLICAS * 100
    """The number of pods that it strikes in its life."""
    replaced: int = 0
    """Pods that are deleted when it begins, as by a drained node."""
    lasts: float | None = None
    """Seconds after which it ends by itself."""
    probe: str = ""
    """The kubelet's Event about the probe."""
    cores: float = 0.0
    """The load that all its pods share; 0: none is measured."""
    enough: int = REPLICAS
    """The ready pods with which the service is well."""
    memory: str = "256Mi"
    """The memory limit of the service, which it has from the beginning."""
    labels: dict[str, str] = field(default_factory=dict)
    tracked: bool = False
    """Argo CD owns the service."""

    @property
    def only_alert(self) -> bool:
        """Nothing is wrong but the alert."""
        return not (self.status or self.release or self.replaced or self.cores)


def healthy(namespace: str, name: str, fault: Fault) -> Object:
    """The service before the fault."""
    return _deployment(namespace, name, fault, 1)


def broken(namespace: str, name: str, fault: Fault) -> Object:
    """The service as its owner leaves it: release 2 if the fault is one."""
    if fault.release is None:
        return healthy(namespace, name, fault)
    deployment = _deployment(namespace, name, fault, 2)
    fault.release(deployment["spec"]["template"]["spec"]["containers"][0])
    return deployment


def _deployment(namespace: str, name: str, fault: Fault, version: int) -> Object:
    owner = {_TRACKED: f"shop:apps/Deployment:{namespace}/{name}"} if fault.tracked else {}
    deployment = a_deployment(
        namespace,
        name,
        version=version,
        replicas=REPLICAS,
        memory=fault.memory,
        labels=fault.labels,
        annotations=owner,
        minReadySeconds=_SETTLE_SECONDS,
    )
    pod = deployment["spec"]["template"]["spec"]
    pod.update(tolerations=[{"operator": "Exists"}], terminationGracePeriodSeconds=0)
    pod["containers"][0]["envFrom"] = [{"secretRef": {"name": _secret(name)}}]
    return deployment


def _secret(name: str) -> str:
    return f"{name}-token"


def _settings(name: str) -> str:
    return f"{name}-settings"  # its own: several that lack the same object wait for each other


# What the kubelet writes


def recovered(before: Object) -> Object:
    """The status once the container of such a status runs again, after one more restart if it had ended."""
    (last,) = before["containerStatuses"]
    terminated = last["state"].get("terminated")
    restarts = last["restartCount"] + ("running" not in last["state"])
    ends = {"terminated": terminated} if terminated else last.get("lastState", {})
    running = {"started": True, "state": {"running": {"startedAt": stamp()}}, "lastState": ends}
    return status_of({"restartCount": restarts, **running}, ready=True)


def probe_event(pod: SeenPod, message: str) -> Object:
    """The kubelet's Event about a probe that failed."""
    about = {"kind": "Pod", "apiVersion": "v1", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
    return {
        "metadata": {"generateName": f"{pod.name}.", "namespace": pod.namespace},
        "involvedObject": about,
        "reason": "Unhealthy",
        "message": message,
        "type": "Warning",
        "source": {"component": "kubelet"},
        "firstTimestamp": stamp(),
        "lastTimestamp": stamp(),
        "count": 1,
    }


def _crash(_: SeenPod) -> Object:
    return crash_loop("Error", 1, "panic: index out of range")


def _one_crash(_: SeenPod) -> Object:
    return status_of({"state": ended("Error", 1, stamp())}, ready=False)


def _out_of_memory(_: SeenPod) -> Object:
    return crash_loop("OOMKilled", 137)


def _bad_data(_: SeenPod) -> Object:
    return crash_loop("Error", 1, "cannot parse prices.json: unexpected end of input")


def _unreachable(_: SeenPod) -> Object:
    return crash_loop("Error", 1, "dial tcp db.example.org:5432: connect: connection refused")


def _blocked(reason: str, message: str) -> Object:
    return status_of({"started": False, "state": waiting(reason, message)}, ready=False)


def _no_image(_: SeenPod) -> Object:
    why = f'failed to pull and unpack image "{_NO_IMAGE}": {_NO_IMAGE}: not found'
    return _blocked("ImagePullBackOff", f'Back-off pulling image "{_NO_IMAGE}": ErrImagePull: {why}')


def _registry_away(_: SeenPod) -> Object:
    why = 'failed to do request: Head "https://prunella.local/v2/shop": dial tcp 192.0.2.7:443: i/o timeout'
    return _blocked("ImagePullBackOff", f'Back-off pulling image "prunella.local/shop:1": ErrImagePull: {why}')


def _no_settings(pod: SeenPod) -> Object:
    return _blocked("CreateContainerConfigError", f'configmap "{_settings(pod.app)}" not found')


def _no_secret(pod: SeenPod) -> Object:
    return _blocked("CreateContainerConfigError", f'secret "{_secret(pod.app)}" not found')


def _never_ready(pod: SeenPod) -> Object:
    return _runs_unready(pod.started)


def _no_longer_ready(_: SeenPod) -> Object:
    return _runs_unready(stamp())


def _runs_unready(since: str) -> Object:
    return status_of({"started": True, "state": {"running": {"startedAt": since}}}, ready=False, since=since)


# What the owner changes


def _nothing_more(_: Object) -> None:
    """A new version of the program, and nothing else."""


def _other_image(container: Object) -> None:
    container["image"] = _NO_IMAGE


def _other_settings(container: Object) -> None:
    name = container["envFrom"][0]["secretRef"]["name"].removesuffix(_secret(""))
    container["envFrom"].append({"configMapRef": {"name": _settings(name)}})


def _too_large(container: Object) -> None:
    container["resources"]["requests"]["cpu"] = _TOO_MUCH


def _is_release_2(pod: SeenPod) -> bool:
    return pod.release == "2"


def _has_too_little(pod: SeenPod) -> bool:
    return pod.memory < _ENOUGH


def _release(status: Status | None, change: Callable[[Object], None] = _nothing_more, **more: Any) -> Fault:
    return Fault(status, change, _is_release_2, **more)


FAULTS = {
    "crash-release": _release(_crash),
    "image-release": _release(_no_image, _other_image),
    "unready-release": _release(_never_ready),
    "too-large-release": _release(None, _too_large),
    "gitops-release": _release(_crash, tracked=True),
    "config-release": _release(_no_settings, _other_settings),
    "bad-data": Fault(_bad_data),
    "secret-gone": Fault(_no_secret, only_new=True, replaced=2),
    "opted-out": _release(_crash, labels={IGNORE: "true"}),
    "out-of-memory": Fault(_out_of_memory, strikes=_has_too_little),
    "saturation": Fault(cores=_SATURATED, enough=REPLICAS + 1),
    "memory-at-maximum": Fault(_out_of_memory, memory=_AT_MAXIMUM),
    "dependency-down": Fault(_unreachable),
    "registry-away": Fault(_registry_away, only_new=True, replaced=2),
    "hang": Fault(_no_longer_ready, most=1, probe=_TIMED_OUT),
    "pods-replaced": Fault(replaced=2, lasts=10),
    "one-crash": Fault(_one_crash, most=1, lasts=5),
    "back-off-helps": Fault(_crash, most=1, lasts=40),
    "false-alarm": Fault(lasts=180),
    "warning": Fault(lasts=120),
    "platform-alert": Fault(lasts=120),
    "alarm-that-stays": Fault(),
}
"""By the name of the kind."""
USUAL = Fault()
"""For a service that never fails."""
