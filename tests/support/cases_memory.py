"""Memory: whose it is, how far it may be raised, and when more of it is no answer."""

from collections.abc import Callable
from typing import Any

from support.case_builders import (
    Edit,
    applied,
    env,
    handed_over,
    healed,
    limits_of_namespace,
    memory,
    pods,
    probe,
    release,
    restarted,
    second,
    server,
)
from support.case_run import Case, CaseRun

_BESIDE = {"env": [{"name": "SHOP_PORT", "value": "8081"}]}
# Long enough to use its memory first, also on a busy machine.
_ENDS = [{"name": "SHOP_EXIT_CODE", "value": "0"}, {"name": "SHOP_EXIT_AFTER", "value": "4s"}]
_GUARANTEED = server(
    resources={"limits": {"cpu": "50m", "memory": "64Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}}
)
_LATE = probe("readinessProbe", initialDelaySeconds=10)  # it is killed before it can count as good
UNTERMINATED: tuple[Edit, ...] = (
    release(2),
    env(SHOP_IGNORE_SIGTERM="true", SHOP_LIVE="false", SHOP_READY="false"),
    probe("livenessProbe", httpGet={"path": "/healthz", "port": 8080}, failureThreshold=1),
    pods(terminationGracePeriodSeconds=1),
)


def _grown(name: str, *edits: Edit, need: str = "90", **more: Any) -> Case:
    values = {"before": applied(*edits), "breaks": restarted(*edits, SHOP_MEMORY_MIB=need), **more}
    return healed(name, values.pop("before"), values.pop("breaks"), "pod_oom_killed", **values)


def _bounded(kind: str, **values: Any) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        limits_of_namespace(run, kind, **values)
        applied()(run)

    return act


CASES = (
    _grown("oom-sidecar", second("containers", **_BESIDE)),
    _grown("oom-native-sidecar", second("initContainers", restartPolicy="Always", **_BESIDE)),
    _grown("oom-init", second("initContainers", env=_ENDS)),
    _grown("oom-guaranteed", _GUARANTEED),
    # The annotations of the workload, and one pod.
    _grown("oom-in-place", policy={"limits": {"resize": "InPlace"}}),
    # One pod and one more during the rollout: all that is granted is in use then.
    handed_over(
        "oom-quota",
        _bounded("ResourceQuota", hard={"limits.memory": "128Mi"}),
        restarted(SHOP_MEMORY_MIB="90"),
        "MemoryAtMaximum",
        "pod_oom_killed",
    ),
    _grown(
        "oom-limit-range", before=_bounded("LimitRange", limits=[{"type": "Container", "max": {"memory": "112Mi"}}])
    ),
    handed_over(
        "memory-leak",
        applied(),
        restarted(SHOP_LEAK_MIB_PER_S="20"),
        "MemoryLeakSuspected",
        "pod_oom_killed",
        writes=4,
        policy={"verification": {"window": "20s", "timeout": "90s"}},
    ),
    healed(
        "lowered-limit",
        applied(SHOP_MEMORY_MIB="48"),
        applied(memory("24Mi"), release(2), _LATE, SHOP_MEMORY_MIB="48"),
        "pod_oom_killed",
    ),
    healed("killed-137", applied(), applied(*UNTERMINATED), "bad_release"),
)
