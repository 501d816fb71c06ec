"""Gather evidence: everything a diagnosis needs, read once, capped in size, secrets taken out of logs and events."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from prunella_operator import clock
from prunella_operator.activities.evidence.autoscalers import read_scaling
from prunella_operator.activities.evidence.container_logs import tail_logs
from prunella_operator.activities.evidence.dependencies import dependencies
from prunella_operator.activities.evidence.incident_summaries import IncidentSummaryCache, summarize
from prunella_operator.activities.evidence.measurements import measure_usage
from prunella_operator.activities.evidence.neighbours import read_nodes, workloads_missing_same_object
from prunella_operator.activities.evidence.quotas import read_memory_bounds
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import format_selector, selector_of
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.times import parse_time
from prunella_operator.kubernetes.views import jobs as runs
from prunella_operator.kubernetes.views import revisions as history
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.workloads import controller_of, is_workload, workload_key, workload_view
from prunella_operator.metrics.port import NotConfigured
from prunella_operator.metrics.usage import UsageReader
from prunella_workflows.decisions.diagnosis.saturation import saturated_resource
from prunella_workflows.decisions.diagnosis.startup import NODE_ASKED_FOR, needs_events
from prunella_workflows.decisions.diagnosis.symptoms import Kind, find_symptoms
from prunella_workflows.model.errors import InvalidIncident, NotFound
from prunella_workflows.model.evidence import EventView, Evidence, IncidentSummary, MemoryBounds, Usage
from prunella_workflows.model.incident import IncidentRef, IncidentSpec
from prunella_workflows.model.labels import WORKLOAD
from prunella_workflows.model.measurement import NoData
from prunella_workflows.model.neighbours import NodeView
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.scaling import Scaling
from prunella_workflows.model.workload import PodView, WorkloadRef, WorkloadView

_EVENTS = 20
_OF_ONE_KIND = 3  # of one object; a pod's other words must not drown those on its probe
_LINE = 400
_NOISE = frozenset({"MissingClusterDNS", "DNSConfigForming"})  # about the node, never the fault of a workload


class EvidenceCollector:
    """Reads the cluster for the brain. `stable_for` is how long pods must have served to prove their revision good."""

    def __init__(self, kube: SyncClient, stable_for: float, usage: UsageReader | None = None) -> None:
        self._kube = kube
        self._briefs = IncidentSummaryCache(kube)
        self._stable_for = timedelta(seconds=stable_for)
        self._usage = usage or UsageReader(kube, NotConfigured())

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
        return self.top_owner(ref)

    def top_owner(self, ref: WorkloadRef) -> WorkloadRef:
        """The workload at the top of the owners of an object, with its uid.

        Raises:
            NotFound: the object, or one of its owners, does not exist.
        """
        raw = self._kube.get(paths.workload(ref))
        owner = controller_of(raw)
        if owner is not None and is_workload(owner):
            above = WorkloadRef(
                api_version=owner.api_version, kind=owner.kind, namespace=ref.namespace, name=owner.name
            )
            return self.top_owner(above)
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
        revisions, jobs = self.history(raw), self._jobs(raw)
        view = runs.job_like_view(raw, workload_view(raw, revisions), jobs)
        return raw, view, self._pods(raw, revisions, jobs)

    def history(self, raw: Object) -> list[Object]:
        """The revisions that a workload's controller keeps and that it owns (by uid, never by label alone)."""
        namespace, uid = raw["metadata"]["namespace"], raw["metadata"]["uid"]
        if raw["kind"] == "Deployment":
            path = paths.collection("ReplicaSet", namespace)
        elif raw["kind"] in ("StatefulSet", "DaemonSet"):
            path = paths.snapshots(namespace)
        else:
            return []
        found = self._kube.list(path, labelSelector=format_selector(selector_of(raw)))
        return [one for one in found if _controller_uid(one) == uid]

    def _jobs(self, raw: Object) -> list[Object]:
        """The latest Job of a CronJob: what went wrong before it is past."""
        if raw["kind"] != "CronJob":
            return []
        found = self._kube.list(paths.collection("Job", raw["metadata"]["namespace"]))
        latest = runs.latest_job(runs.jobs_of(found, raw["metadata"]["uid"]))
        return [latest] if latest is not None else []

    def _pods(self, raw: Object, revisions: list[Object], jobs: list[Object]) -> tuple[PodView, ...]:
        if raw["kind"] == "Pod":
            return (pod_view(raw),)
        owners = {raw["metadata"]["uid"], *(revision["metadata"]["uid"] for revision in (*revisions, *jobs))}
        path = paths.core(raw["metadata"]["namespace"], "pods")
        found = self._kube.list(path, labelSelector=format_selector(selector_of(raw)))
        return tuple(pod_view(one) for one in found if _controller_uid(one) in owners)

    def usage(self, ref: WorkloadRef, pods: tuple[PodView, ...]) -> Usage | NoData:
        """What these pods use now, or why nobody knows."""
        return self._usage.now(ref, pods)

    def scaling(self, raw: Object) -> Scaling:
        """What scales a workload now, and which disruption budgets its pods are under."""
        return read_scaling(self._kube, raw)

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        """The labels of a namespace."""
        labels: dict[str, str] = self._kube.get(f"/api/v1/namespaces/{namespace}")["metadata"].get("labels") or {}
        return labels

    def incidents(self, ref: WorkloadRef, *, full: bool) -> tuple[IncidentSummary, ...]:
        """Incidents in brief: deep, all of the namespace; else those that sources opened for this workload."""
        if full:
            return self._briefs.of(ref.namespace)
        found = self._kube.list(paths.incidents(ref.namespace), labelSelector=f"{WORKLOAD}={workload_key(ref)}")
        return tuple(map(summarize, found))

    def evidence(
        self,
        ref: WorkloadRef,
        spec: IncidentSpec,
        opened_at: datetime,
        *,
        full: bool,
        name: str = "",
        since: datetime | None = None,
    ) -> Evidence:
        """The facts about one workload now. Shallow evidence is what a confirmation needs.

        `name` is the incident's. Crashes count from `since` on, or else from its opening on.
        """
        raw, workload, pods = self.view(ref)
        shallow = Evidence(
            read_at=clock.now(),
            incident=spec,
            opened_at=opened_at,
            workload=workload,
            pods=pods,
            scaling=self._scaling(raw, spec, full=full),
            namespace_labels=self.namespace_labels(ref.namespace),
            incidents=self.incidents(ref, full=full),
            incident_name=name,
            since=since,
            soak=self._stable_for.total_seconds(),
        )
        shallow = shallow.model_copy(update=measure_usage(self._usage, shallow, full=full))
        if not full:
            return self._add_events(shallow) if needs_events(shallow) else shallow
        words, warnings = tuple(tail_logs(self._kube, shallow)), self._warnings(shallow)
        deeper: dict[str, Any] = {
            "revisions": self._revisions(raw, shallow),
            "logs": tuple(word.tail for word in words),
            "events": tuple(_events(shallow, warnings)),
            "bounds": self._bounds(shallow),
        }
        evidence = shallow.model_copy(update=deeper)
        around: dict[str, Any] = {
            "nodes": read_nodes(self._kube, evidence.live_pods),
            "dependencies": dependencies(self._kube, raw, evidence, words),
            "affected_workloads": workloads_missing_same_object(self._kube, evidence, warnings),
        }
        return evidence.model_copy(update=around)

    def _add_events(self, evidence: Evidence) -> Evidence:
        """With events: only they tell what keeps pods from being made, or from starting."""
        warnings = self._warnings(evidence)
        return evidence.model_copy(update={"events": tuple(_events(evidence, warnings))})

    def nodes(self, pods: tuple[PodView, ...]) -> tuple[NodeView, ...]:
        """The nodes of those of these pods that are not ready."""
        return read_nodes(self._kube, pods)

    def _warnings(self, evidence: Evidence) -> list[Object]:
        """The warnings of the namespace, oldest first; where pods find no node, also whether one was asked for."""
        path = paths.core(evidence.workload.ref.namespace, "events")
        reasons = NODE_ASKED_FOR if any(pod.unschedulable for pod in evidence.live_pods) else ()
        wanted = ("type=Warning", *(f"reason={reason}" for reason in reasons))
        found = [one for selector in wanted for one in self._kube.list(path, fieldSelector=selector)]
        return sorted((one for one in found if one.get("reason") not in _NOISE), key=_event_time)

    def _scaling(self, raw: Object, spec: IncidentSpec, *, full: bool) -> Scaling:
        """What scales it. Whoever confirms needs it only to tell whether an autoscaler acts on pressure."""
        pressed = saturated_resource(spec.type) is not None
        return read_scaling(self._kube, raw, quotas=pressed and full) if pressed or full else Scaling()

    def _revisions(self, raw: Object, evidence: Evidence) -> Any:
        ref = evidence.workload.ref
        return history.revision_views(
            raw,
            evidence.workload,
            self.history(raw),
            self._kube.list(paths.snapshots(ref.namespace), labelSelector=history.snapshot_selector(ref)),
            pods=evidence.pods,
            stable_before=evidence.read_at - self._stable_for,
        )

    def healthy_percent(self, namespace: str, policy: EffectivePolicy) -> float | None:
        """The share of the namespace's workloads that have all they want; None when there is none, or nobody asks."""
        if not policy.budgets.minimum_healthy_percent:
            return None
        views = [
            workload_view({"kind": kind, **one})
            for kind in ("Deployment", "StatefulSet", "DaemonSet")
            for one in self._kube.list(paths.collection(kind, namespace))
        ]
        wanted = [view for view in views if view.replicas]
        return 100 * sum(one.available_replicas >= one.replicas for one in wanted) / len(wanted) if wanted else None

    def _bounds(self, evidence: Evidence) -> MemoryBounds:
        """What namespace and nodes allow; read only when memory is the question."""
        killed = any(symptom.kind is Kind.OOM for symptom in find_symptoms(evidence.live_pods))
        if not killed and saturated_resource(evidence.incident.type) != "memory":
            return MemoryBounds()
        return read_memory_bounds(self._kube, evidence.workload.ref.namespace)


def _events(evidence: Evidence, warnings: list[Object]) -> Iterator[EventView]:
    """The newest warnings about the workload and its failing pods, of each kind only a few."""
    names = {evidence.workload.ref.name, *(symptom.pod for symptom in find_symptoms(evidence.live_pods))}
    kept: list[Object] = []
    counts: Counter[tuple[str, str]] = Counter()
    for warning in reversed(warnings):
        name = (warning.get("involvedObject") or {}).get("name", "")
        counts[name, warning.get("reason", "")] += 1
        if name in names and counts[name, warning.get("reason", "")] <= _OF_ONE_KIND:
            kept.append(warning)
    for one in reversed(kept[:_EVENTS]):
        yield EventView(
            about=one["involvedObject"]["name"],
            reason=one.get("reason", ""),
            message=redact(one.get("message", ""))[:_LINE],
            count=one.get("count") or 1,
            at=parse_time(_event_time(one) or None),
        )


def _event_time(raw: Object) -> str:
    return str(raw.get("lastTimestamp") or raw.get("eventTime") or "")


def _controller_uid(raw: Object) -> str:
    owner = controller_of(raw)
    return owner.uid if owner is not None else ""
