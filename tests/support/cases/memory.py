"""Memory: the container that needs it, the limit of its raises, and cases in which more of it does not help."""

from collections.abc import Callable
from typing import Any

from support.cases import builders as shop
from support.cases.run import Case, CaseRun

_BESIDE = {"env": [{"name": "SHOP_PORT", "value": "8081"}]}
# Long enough to use its memory first, also on a busy machine.
_ENDS = [{"name": "SHOP_EXIT_CODE", "value": "0"}, {"name": "SHOP_EXIT_AFTER", "value": "4s"}]
_GUARANTEED = shop.server(
    resources={"limits": {"cpu": "50m", "memory": "64Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}}
)
_LATE = shop.probe("readinessProbe", initialDelaySeconds=10)  # it is killed before it can count as good
UNTERMINATED: tuple[shop.Edit, ...] = (
    shop.release(2),
    shop.env(SHOP_IGNORE_SIGTERM="true", SHOP_LIVE="false", SHOP_READY="false"),
    shop.probe("livenessProbe", httpGet={"path": "/healthz", "port": 8080}, failureThreshold=1),
    shop.pods(terminationGracePeriodSeconds=1),
)


def _grown(name: str, *edits: shop.Edit, need: str = "90", **more: Any) -> Case:
    values = {"before": shop.applied(*edits), "breaks": shop.restarted(*edits, SHOP_MEMORY_MIB=need), **more}
    return shop.healed(name, values.pop("before"), values.pop("breaks"), "pod_oom_killed", **values)


def _bounded(kind: str, **values: Any) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        shop.limits_of_namespace(run, kind, **values)
        shop.applied()(run)

    return act


CASES = (
    _grown("oom-sidecar", shop.second("containers", **_BESIDE)),
    _grown("oom-native-sidecar", shop.second("initContainers", restartPolicy="Always", **_BESIDE)),
    _grown("oom-init", shop.second("initContainers", env=_ENDS)),
    _grown("oom-guaranteed", _GUARANTEED),
    # The annotations of the workload, and one pod.
    _grown("oom-in-place", policy={"limits": {"resize": "InPlace"}}),
    # One pod and one more during the rollout: all that is granted is in use then.
    shop.escalated(
        "oom-quota",
        _bounded("ResourceQuota", hard={"limits.memory": "128Mi"}),
        shop.restarted(SHOP_MEMORY_MIB="90"),
        "MemoryAtMaximum",
        "pod_oom_killed",
    ),
    _grown(
        "oom-limit-range", before=_bounded("LimitRange", limits=[{"type": "Container", "max": {"memory": "112Mi"}}])
    ),
    shop.escalated(
        "memory-leak",
        shop.applied(),
        shop.restarted(SHOP_LEAK_MIB_PER_S="20"),
        "MemoryLeakSuspected",
        "pod_oom_killed",
        writes=4,
        policy={"verification": {"window": "20s", "timeout": "90s"}},
    ),
    shop.rolled_back(
        "lowered-limit",
        shop.applied(SHOP_MEMORY_MIB="48"),
        shop.applied(shop.memory("24Mi"), shop.release(2), _LATE, SHOP_MEMORY_MIB="48"),
        cause="pod_oom_killed",
    ),
    shop.rolled_back("killed-137", shop.applied(), shop.applied(*UNTERMINATED)),
)
