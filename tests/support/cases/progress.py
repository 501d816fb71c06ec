"""Repairs that take longer than the policy's timeout, because the workload does; and those that cannot be judged."""

import time
from typing import Any

from support.api import until
from support.cases import builders as shop
from support.cases.environment import seated, seats
from support.cases.run import CLOSED, CaseRun
from support.cases.traps import ours, statuses

_THREE = shop.replicas(3)
_GROWN = {"SHOP_MEMORY_MIB": "90"}
_HASTY: dict[str, Any] = {"verification": {"window": "6s", "timeout": "15s"}}
"""Shorter than one pod of these needs to become ready."""
_ALL_BUT_ONE = shop.spec(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}})
_CHECK = {"name": "errors", "query": 'sum(errors_total{namespace="$namespace"})', "threshold": 1}


def ready_after(seconds: int) -> shop.Edit:
    """Pods that the kubelet first asks that long after their start."""
    return shop.probe("readinessProbe", initialDelaySeconds=seconds)


def _seated(run: CaseRun) -> None:
    """Three pods, and room for three."""
    seats(run, 3)
    shop.applied(_THREE, _ALL_BUT_ONE, seated(run))(run)


def _one_stays_outside(run: CaseRun) -> None:
    """Room for two is left, so that one pod waits for a node; later one of the others needs more memory."""
    seats(run, 2)
    shop.drop_pod(run)
    until(lambda: [pod["status"]["phase"] for pod in ours(run)].count("Pending") == 1, 60, "one pod finds no node")
    time.sleep(5)
    shop.config_map(run, **_GROWN)
    serving = [pod["metadata"]["name"] for pod in ours(run) if statuses([pod])]
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/pods/{max(serving)}")


def _both_are_over(run: CaseRun) -> None:
    """The repair, and then the incident about the pod that finds no node."""

    def over() -> bool:
        return [(incident.get("status") or {}).get("phase") in CLOSED for incident in run.incidents()] == [True, True]

    until(over, 300, "both are over", every=0.5)


def _scaled_to_zero(run: CaseRun) -> None:
    run.when(lambda status: status.get("phase") == "Verifying", "it is being verified")
    run.api.patch(f"{run.path}/scale", {"spec": {"replicas": 0}})


def _all_at_once(run: CaseRun) -> None:
    """Every pod is replaced, and none has enough memory."""
    shop.config_map(run, **_GROWN)
    for pod in ours(run):
        run.api.delete(f"/api/v1/namespaces/{run.namespace}/pods/{pod['metadata']['name']}")


def _slow(name: str, *edits: shop.Edit, **more: Any) -> Any:
    return shop.healed(
        name,
        shop.applied(*edits),
        shop.restarted(*edits, **_GROWN),
        "pod_oom_killed",
        policy=_HASTY,
        **more,
    )


CASES = (
    _slow("rolling-slowly", _THREE, ready_after(20)),
    _slow("stateful-slowly", _THREE, ready_after(20), kind="StatefulSet", deletes=1),
    _slow("daemon-slowly", ready_after(25), kind="DaemonSet"),
    shop.healed(
        "stateful-back-slowly",
        shop.applied(shop.replicas(2), ready_after(25)),
        shop.applied(shop.replicas(2), ready_after(25), shop.bad()),
        "bad_release",
        policy=_HASTY,
        kind="StatefulSet",
        deletes=1,
    ),
    shop.healed(
        "one-had-no-node",
        _seated,
        _one_stays_outside,
        "pod_oom_killed",
        then=_both_are_over,
        incidents=2,
        slow=True,
    ),
    shop.healed("oom-everywhere", shop.applied(_THREE), _all_at_once, "pod_oom_killed"),
    shop.escalated(
        "checks-unavailable",
        shop.applied(),
        shop.applied(shop.bad()),
        "ChecksUnavailable",
        "bad_release",
        writes=1,
        policy={"verification": {"window": "6s", "timeout": "30s", "checks": [_CHECK]}},
    ),
    shop.escalated(
        "scaled-to-zero-meanwhile",
        shop.applied(),
        shop.applied(shop.bad()),
        "ScaledToZero",
        "bad_release",
        writes=1,
        then=_scaled_to_zero,
        policy={"verification": {"window": "20s", "timeout": "90s"}},
    ),
)
