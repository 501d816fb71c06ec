"""Views of update strategies, autoscalers and disruption budgets, which bound a workload's number of pods."""

import math
from typing import Any

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.ownership import field_appliers, field_owners, tool_annotations
from prunella_workflows.model.labels import LAST_ACTION
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView, PodDisruptionBudgetView, Strategy

_QUARTER = "25%"


def strategy_view(raw: Object, replicas: int) -> Strategy:
    """The update strategy of a workload, with the API server's defaults, in absolute numbers.

    Deployments round maxUnavailable down and maxSurge up, and at least one of the two is not zero. StatefulSets
    replace one pod at a time by default; DaemonSets round both up.
    """
    spec = raw.get("spec") or {}
    key = "strategy" if raw["kind"] == "Deployment" else "updateStrategy"
    chosen = spec.get(key) or {}
    kind, rolling = chosen.get("type", "RollingUpdate"), chosen.get("rollingUpdate") or {}
    if kind == "Recreate":
        return Strategy(kind=kind, max_unavailable=replicas, max_surge=0)
    if kind == "OnDelete":
        return Strategy(kind=kind, max_unavailable=0, max_surge=0)
    if raw["kind"] == "StatefulSet":
        return _stateful_strategy(spec, rolling, replicas)
    if raw["kind"] == "Deployment":
        surge = _number(rolling.get("maxSurge", _QUARTER), replicas, up=True)
        unavailable = _number(rolling.get("maxUnavailable", _QUARTER), replicas, up=False)
        return Strategy(max_unavailable=unavailable or (0 if surge else 1), max_surge=surge)
    surge = _number(rolling.get("maxSurge", 0), replicas, up=True)
    unavailable = _number(rolling.get("maxUnavailable", 0 if surge else 1), replicas, up=True)
    return Strategy(max_unavailable=unavailable or (0 if surge else 1), max_surge=surge)


def _stateful_strategy(spec: Object, rolling: Object, replicas: int) -> Strategy:
    return Strategy(
        max_unavailable=_number(rolling.get("maxUnavailable", 1), replicas, up=True) or 1,
        max_surge=0,
        partition=min(int(rolling.get("partition") or 0), replicas),
        first_ordinal=int((spec.get("ordinals") or {}).get("start", 0)),
        parallel=spec.get("podManagementPolicy") == "Parallel",
    )


def _number(value: Any, replicas: int, *, up: bool) -> int:
    """A number of pods, from a number or a percentage of the replicas."""
    if not str(value).endswith("%"):
        return int(value)
    share = replicas * int(str(value)[:-1]) / 100
    return math.ceil(share) if up else math.floor(share)


def is_autoscaler_of(raw: Object, kind: str, name: str) -> bool:
    """True when the autoscaler scales this workload of API group apps."""
    target = (raw.get("spec") or {}).get("scaleTargetRef") or {}
    group = str(target.get("apiVersion", "apps/v1")).partition("/")[0]
    return (group, target.get("kind"), target.get("name")) == ("apps", kind, name)


def autoscaler_view(raw: Object) -> HorizontalPodAutoscalerView:
    """The view of a HorizontalPodAutoscaler of autoscaling/v2."""
    meta, status = raw["metadata"], raw.get("status") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    conditions = {condition.get("type"): condition.get("status") for condition in status.get("conditions") or ()}
    return HorizontalPodAutoscalerView(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        min_replicas=raw["spec"].get("minReplicas", 1),
        max_replicas=raw["spec"]["maxReplicas"],
        desired_replicas=status.get("desiredReplicas", 0),
        active="False" not in (conditions.get("AbleToScale"), conditions.get("ScalingActive")),
        operator=_operator(meta, labels),
        labels=labels,
        annotations=tool_annotations(annotations),
        owners=field_owners(meta, maxReplicas="maxReplicas"),
        appliers=field_appliers(meta, maxReplicas="maxReplicas"),
        last_action=annotations.get(LAST_ACTION, ""),
    )


def _operator(meta: Object, labels: dict[str, str]) -> str:
    """The owner that created the autoscaler and would overwrite a change: its controller, or KEDA by its label."""
    controllers = [owner for owner in meta.get("ownerReferences") or () if owner.get("controller")]
    if controllers:
        return f"{controllers[0]['kind']}/{controllers[0]['name']}"
    if labels.get("app.kubernetes.io/managed-by") == "keda-operator":
        return f"ScaledObject/{labels.get('scaledobject.keda.sh/name', meta['name'])}"
    return ""


def budget_view(raw: Object) -> PodDisruptionBudgetView:
    """The view of a PodDisruptionBudget. Its desired count is unknown until its latest spec has been observed."""
    meta, status = raw["metadata"], raw.get("status") or {}
    observed = status.get("observedGeneration", 0) >= meta.get("generation", 0)
    return PodDisruptionBudgetView(
        name=meta["name"],
        desired_healthy=status.get("desiredHealthy") if observed else None,
        current_healthy=status.get("currentHealthy", 0),
    )
