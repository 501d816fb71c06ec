"""Gather evidence: everything a diagnosis needs, read once, capped in size, secrets taken out of logs and events."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from prunella_operator import clock
from prunella_operator.cluster import history, paths
from prunella_operator.cluster.kube import Kube
from prunella_operator.cluster.port import Object
from prunella_operator.cluster.selectors import as_text, selector_of
from prunella_operator.cluster.views import controller_of, is_workload, pod_view, time_of, workload_key, workload_view
from prunella_workflows.errors import Forbidden, InvalidIncident, NotFound, Refused
from prunella_workflows.model.evidence import EventView, Evidence, IncidentBrief, LogTail, MemoryBounds
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, Phase
from prunella_workflows.model.quantity import parse_bytes, parse_quantity
from prunella_workflows.model.workload import PodView, WorkloadRef, WorkloadView
from prunella_workflows.redact import redact
from prunella_workflows.symptoms import Kind, symptoms

_LOG_LINES = 20
_LOG_PODS = 2
_EVENTS = 20
_LINE = 400
_NO_LOG = "unable to retrieve container logs"  # what the kubelet answers, with code 200, when it has none
_NOISE = frozenset({"MissingClusterDNS", "DNSConfigForming"})  # about the node, never the fault of a workload


class Gatherer:
    """Reads the cluster for the brain. `stable_for` is how long pods must have served to prove their revision good."""

    def __init__(self, kube: Kube, stable_for: float) -> None:
        self._kube = kube
        self._stable_for = timedelta(seconds=stable_for)

    def resolve(self, incident: IncidentRef, spec: IncidentSpec) -> WorkloadRef:
        """The workload an incident is about: its target, or the top owner of its pod.

        Raises:
            NotFound: it does not exist.
            InvalidIncident: the incident names neither a target nor a pod.
        """
        if spec.target is not None:
            target = spec.target
            ref = WorkloadRef(
                api_version=target.api_version, kind=target.kind, namespace=incident.namespace, name=target.name
            )
        elif spec.pod_name:
            ref = WorkloadRef(api_version="v1", kind="Pod", namespace=incident.namespace, name=spec.pod_name)
        else:
            raise InvalidIncident("spec.target: name a workload, or name a pod in spec.podName")
        return self._top_owner(ref)

    def _top_owner(self, ref: WorkloadRef) -> WorkloadRef:
        raw = self._kube.get(paths.workload(ref))
        owner = controller_of(raw)
        if owner is not None and is_workload(owner):
            above = WorkloadRef(
                api_version=owner.api_version, kind=owner.kind, namespace=ref.namespace, name=owner.name
            )
            return self._top_owner(above)
        return ref.model_copy(update={"uid": raw["metadata"]["uid"]})

    def raw_workload(self, ref: WorkloadRef) -> Object:
        """The workload as it is now. A namesake with another uid is not it.

        Raises:
            NotFound: the workload is gone.
        """
        raw = self._kube.get(paths.workload(ref))
        raw.setdefault("kind", ref.kind)
        raw.setdefault("apiVersion", ref.api_version)
        if ref.uid and raw["metadata"]["uid"] != ref.uid:
            raise NotFound(f"{ref} was deleted; another object bears its name now")
        return raw

    def view(self, ref: WorkloadRef) -> tuple[Object, WorkloadView, tuple[PodView, ...]]:
        """The workload and its pods, enough to judge its health."""
        raw = self.raw_workload(ref)
        revisions = self.history(raw)
        return raw, workload_view(raw, revisions), self._pods(raw, revisions)

    def history(self, raw: Object) -> list[Object]:
        """The revisions that a workload's controller keeps and that it owns (by uid, never by label alone)."""
        namespace, uid = raw["metadata"]["namespace"], raw["metadata"]["uid"]
        if raw["kind"] == "Deployment":
            path = paths.collection("ReplicaSet", namespace)
        elif raw["kind"] in ("StatefulSet", "DaemonSet"):
            path = paths.snapshots(namespace)
        else:
            return []
        found = self._kube.list(path, labelSelector=as_text(selector_of(raw)))
        return [one for one in found if _controller_uid(one) == uid]

    def _pods(self, raw: Object, revisions: list[Object]) -> tuple[PodView, ...]:
        if raw["kind"] == "Pod":
            return (pod_view(raw),)
        if raw["kind"] == "CronJob":
            return ()
        owners = {raw["metadata"]["uid"], *(one["metadata"]["uid"] for one in revisions)}
        path = paths.core(raw["metadata"]["namespace"], "pods")
        found = self._kube.list(path, labelSelector=as_text(selector_of(raw)))
        return tuple(pod_view(one) for one in found if _controller_uid(one) in owners)

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        """The labels of a namespace."""
        labels: dict[str, str] = self._kube.get(f"/api/v1/namespaces/{namespace}")["metadata"].get("labels") or {}
        return labels

    def incidents(self, ref: WorkloadRef | None = None) -> tuple[IncidentBrief, ...]:
        """Incidents in brief: all, for budgets and cooldowns, or those that sources opened for one workload."""
        if ref is None:
            return tuple(_brief(one) for one in self._kube.list(paths.incidents()))
        found = self._kube.list(paths.incidents(ref.namespace), labelSelector=f"{paths.WORKLOAD}={workload_key(ref)}")
        return tuple(_brief(one) for one in found)

    def evidence(self, ref: WorkloadRef, spec: IncidentSpec, opened_at: datetime, *, deep: bool) -> Evidence:
        """The facts about one workload now. Shallow evidence has no revisions, logs, events or bounds."""
        raw, workload, pods = self.view(ref)
        shallow = Evidence(
            read_at=clock.now(),
            incident=spec,
            opened_at=opened_at,
            workload=workload,
            pods=pods,
            namespace_labels=self.namespace_labels(ref.namespace),
            incidents=self.incidents(None if deep else ref),
        )
        if not deep:
            return shallow
        deeper: dict[str, Any] = {
            "revisions": self._revisions(raw, shallow),
            "logs": tuple(self._logs(shallow)),
            "events": tuple(self._events(shallow)),
            "bounds": self._bounds(shallow),
            "healthy_percent": self._healthy_percent(ref.namespace),
        }
        return shallow.model_copy(update=deeper)

    def _revisions(self, raw: Object, evidence: Evidence) -> Any:
        ref = evidence.workload.ref
        return history.revisions(
            raw,
            evidence.workload,
            self.history(raw),
            self._kube.list(paths.snapshots(ref.namespace), labelSelector=history.snapshot_selector(ref)),
            pods=evidence.pods,
            stable_before=evidence.read_at - self._stable_for,
        )

    def _healthy_percent(self, namespace: str) -> float | None:
        """The share of the namespace's Deployments that have all they want; None when there is none."""
        views = [
            workload_view({"kind": "Deployment", **one})
            for one in self._kube.list(paths.collection("Deployment", namespace))
        ]
        wanted = [one for one in views if one.replicas]
        return 100 * sum(one.available_replicas >= one.replicas for one in wanted) / len(wanted) if wanted else None

    def _logs(self, evidence: Evidence) -> Iterator[LogTail]:
        """The last words of the containers that fail. A log that cannot be read is no reason to stop."""
        failing = [one for one in symptoms(evidence.live_pods) if one.kind in (Kind.CRASH, Kind.OOM)]
        for one in failing[:_LOG_PODS]:
            path = paths.core(evidence.workload.ref.namespace, "pods", f"{one.pod}/log")
            try:
                text = self._kube.text(path, container=one.container, previous="true", tailLines=str(_LOG_LINES))
            except (NotFound, Refused, Forbidden):
                continue
            said = (line for line in text.splitlines() if line.strip() and not line.startswith(_NO_LOG))
            lines = tuple(redact(line)[:_LINE] for line in said)
            yield LogTail(pod=one.pod, container=one.container, lines=lines)

    def _events(self, evidence: Evidence) -> Iterator[EventView]:
        """The newest warnings about the workload and its failing pods."""
        names = {evidence.workload.ref.name, *(one.pod for one in symptoms(evidence.live_pods))}
        path = paths.core(evidence.workload.ref.namespace, "events")
        found = [
            one
            for one in self._kube.list(path, fieldSelector="type=Warning")
            if (one.get("involvedObject") or {}).get("name") in names and one.get("reason") not in _NOISE
        ]
        for one in sorted(found, key=_event_time)[-_EVENTS:]:
            yield EventView(
                about=one["involvedObject"]["name"],
                reason=one.get("reason", ""),
                message=redact(one.get("message", ""))[:_LINE],
                count=one.get("count") or 1,
                at=time_of(_event_time(one) or None),
            )

    def _bounds(self, evidence: Evidence) -> MemoryBounds:
        """What namespace and nodes allow; read only when memory is the question."""
        if not any(one.kind is Kind.OOM for one in symptoms(evidence.live_pods)):
            return MemoryBounds()
        namespace = evidence.workload.ref.namespace
        quotas = list(self._kube.list(paths.core(namespace, "resourcequotas")))
        ranges = list(self._kube.list(paths.core(namespace, "limitranges")))
        nodes = [
            parse_bytes(str(one["status"]["allocatable"]["memory"]))
            for one in self._kube.list("/api/v1/nodes")
            if not (one.get("spec") or {}).get("unschedulable") and "memory" in one["status"].get("allocatable", {})
        ]
        return MemoryBounds(
            quota_limits_free=_quota_free(quotas, "limits.memory"),
            quota_requests_free=_quota_free(quotas, "requests.memory", "memory"),
            container_max=_container_max(ranges),
            ratio_max=_ratio_max(ranges),
            node_max=max(nodes, default=None),
        )


def _event_time(raw: Object) -> str:
    return str(raw.get("lastTimestamp") or raw.get("eventTime") or "")


def _controller_uid(raw: Object) -> str:
    owner = controller_of(raw)
    return owner.uid if owner is not None else ""


def _quota_free(quotas: list[Object], *names: str) -> int | None:
    """What the tightest quota still grants of a resource (by any of its names), in bytes.

    Pods of a Deployment never have a deadline, so quotas for pods that have one do not count.
    """
    counting = [one for one in quotas if "Terminating" not in ((one.get("spec") or {}).get("scopes") or ())]
    statuses = [one.get("status") or {} for one in counting]
    free = [
        int(parse_quantity(str(one["hard"][name])) - parse_quantity(str((one.get("used") or {}).get(name, "0"))))
        for one in statuses
        for name in names
        if name in (one.get("hard") or {})
    ]
    return min(free, default=None)


def _container_limits(ranges: list[Object], key: str) -> Iterator[str]:
    """What LimitRanges say about the memory of one container."""
    for one in ranges:
        for limit in (one.get("spec") or {}).get("limits") or ():
            if limit.get("type") == "Container" and "memory" in (limit.get(key) or {}):
                yield str(limit[key]["memory"])


def _container_max(ranges: list[Object]) -> int | None:
    return min(map(parse_bytes, _container_limits(ranges, "max")), default=None)


def _ratio_max(ranges: list[Object]) -> float | None:
    ratios = map(parse_quantity, _container_limits(ranges, "maxLimitRequestRatio"))
    return min(map(float, ratios), default=None)


def _brief(raw: Object) -> IncidentBrief:
    meta, status = raw["metadata"], raw.get("status") or {}
    times = status.get("times") or {}
    return IncidentBrief(
        name=meta["name"],
        namespace=meta["namespace"],
        workload=status.get("target", ""),
        phase=Phase(status.get("phase") or "Pending"),
        repaired_at=time_of(times.get("repairedAt")),
        closed_at=time_of(times.get("closedAt")),
    )
