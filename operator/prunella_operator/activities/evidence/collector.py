"""Collect evidence: everything a diagnosis needs, read once, capped in size, without the secrets in logs and events."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from prunella_operator import clock
from prunella_operator.activities.evidence.autoscalers import read_scaling
from prunella_operator.activities.evidence.container_logs import tail_logs
from prunella_operator.activities.evidence.dependencies import dependencies
from prunella_operator.activities.evidence.events import read_warnings, select_events
from prunella_operator.activities.evidence.incident_summaries import IncidentSummaryCache, summarize
from prunella_operator.activities.evidence.measurements import measure_usage
from prunella_operator.activities.evidence.neighbours import read_nodes, workloads_missing_same_object
from prunella_operator.activities.evidence.quotas import read_memory_bounds
from prunella_operator.activities.evidence.telemetry import NotConfigured as NoTelemetry
from prunella_operator.activities.evidence.telemetry import TelemetryReader, TelemetrySource
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import format_selector, selector_of
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views import jobs as runs
from prunella_operator.kubernetes.views import revisions as history
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.workloads import (
    controlled_by,
    controller_of,
    is_workload,
    workload_key,
    workload_view,
)
from prunella_operator.metrics.port import NotConfigured
from prunella_operator.metrics.usage import UsageReader
from prunella_workflows.decisions.diagnosis.memory_kills import may_be_kill
from prunella_workflows.decisions.diagnosis.saturation import saturated_resource
from prunella_workflows.decisions.diagnosis.startup import needs_events
from prunella_workflows.decisions.diagnosis.symptoms import find_symptoms
from prunella_workflows.model.errors import Forbidden, InvalidIncident, NotFound
from prunella_workflows.model.evidence import Evidence, IncidentSummary, MemoryBounds, Usage
from prunella_workflows.model.incident import IncidentRef, IncidentSpec
from prunella_workflows.model.labels import WORKLOAD
from prunella_workflows.model.measurement import NoData
from prunella_workflows.model.neighbours import DependencyView, NodeView
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.scaling import Scaling
from prunella_workflows.model.telemetry import TelemetryView
from prunella_workflows.model.workload import PodView, WorkloadRef, WorkloadView

_NO_TELEMETRY = NoTelemetry()


class EvidenceCollector:
    """Reads the cluster for decisions. Pods that have served for `stable_for` seconds prove their revision good.

    `now`: the time of what is read, if it is a recording.
    """

    def __init__(
        self,
        kube: SyncClient,
        stable_for: float,
        usage: UsageReader | None = None,
        telemetry: TelemetrySource = _NO_TELEMETRY,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._kube = kube
        self._now = now
        self._summaries = IncidentSummaryCache(kube)
        self._stable_for = timedelta(seconds=stable_for)
        self._usage = usage or UsageReader(kube, NotConfigured())
        self._telemetry = TelemetryReader(telemetry)

    def resolve(self, incident: IncidentRef, spec: IncidentSpec) -> WorkloadRef:
        """The incident's target, or the top owner of its pod. Raises NotFound; InvalidIncident if it names neither."""
        if spec.target is not None:
            version, kind, name = spec.target.api_version, spec.target.kind, spec.target.name
        elif spec.pod_name:
            version, kind, name = "v1", "Pod", spec.pod_name
        else:
            raise InvalidIncident("spec.target: name a workload, or name a pod in spec.podName")
        return self.top_owner(WorkloadRef(api_version=version, kind=kind, namespace=incident.namespace, name=name))

    def top_owner(self, ref: WorkloadRef) -> WorkloadRef:
        """The top owner of an object, with its uid. Raises NotFound if the object, or one of its owners, is gone."""
        raw = self._kube.get(paths.workload(ref))
        owner = controller_of(raw)
        if owner is not None and is_workload(owner):
            version, kind = owner.api_version, owner.kind
            return self.top_owner(WorkloadRef(api_version=version, kind=kind, namespace=ref.namespace, name=owner.name))
        return ref.model_copy(update={"uid": raw["metadata"]["uid"]})

    def raw_workload(self, ref: WorkloadRef) -> Object:
        """The workload as it is now. Raises NotFound if it is gone; a namesake with another uid does not count."""
        raw = self._kube.get(paths.workload(ref))
        raw.setdefault("kind", ref.kind)
        raw.setdefault("apiVersion", ref.api_version)
        if ref.uid and raw["metadata"]["uid"] != ref.uid:
            raise NotFound(f"{ref} was deleted; an object with the same name but a different UID exists")
        return raw

    def view(self, ref: WorkloadRef) -> tuple[Object, WorkloadView, tuple[PodView, ...]]:
        """The workload and its pods, enough to judge its health."""
        raw = self.raw_workload(ref)
        return raw, *self.view_of(raw)

    def view_of(self, raw: Object) -> tuple[WorkloadView, tuple[PodView, ...]]:
        """The views of a workload that was just read, and of its pods."""
        revisions, jobs = self.history(raw), self._jobs(raw)
        view = runs.job_like_view(raw, workload_view(raw, revisions), jobs)
        return view, self._pods(raw, revisions, jobs)

    def history(self, raw: Object) -> list[Object]:
        """The revisions that a workload's controller keeps and that it owns."""
        namespace = raw["metadata"]["namespace"]
        if raw["kind"] not in ("Deployment", "StatefulSet", "DaemonSet"):
            return []
        return self._owned(paths.history(raw["kind"], namespace), raw, {raw["metadata"]["uid"]})

    def _owned(self, path: str, raw: Object, owners: set[str]) -> list[Object]:
        """The objects with a workload's labels that one of these owners controls."""
        return controlled_by(owners, self._kube.list(path, labelSelector=format_selector(selector_of(raw))))

    def _jobs(self, raw: Object) -> list[Object]:
        """The latest Job of a CronJob: earlier failures are over."""
        if raw["kind"] != "CronJob":
            return []
        found = self._kube.list(paths.collection("Job", raw["metadata"]["namespace"]))
        latest = runs.latest_job(runs.jobs_of(found, raw["metadata"]["uid"]))
        return [latest] if latest is not None else []

    def _pods(self, raw: Object, revisions: list[Object], jobs: list[Object]) -> tuple[PodView, ...]:
        if raw["kind"] == "Pod":
            return (pod_view(raw),)
        owners = {raw["metadata"]["uid"], *(revision["metadata"]["uid"] for revision in (*revisions, *jobs))}
        return tuple(map(pod_view, self._owned(paths.core(raw["metadata"]["namespace"], "pods"), raw, owners)))

    def usage(self, ref: WorkloadRef, pods: tuple[PodView, ...]) -> Usage | NoData:
        """The usage of these pods now, or the reason why it is unknown."""
        return self._usage.now(ref, pods)

    def telemetry(self, ref: WorkloadRef) -> TelemetryView | None:
        """The telemetry of a workload now; None where it is not configured or cannot be read."""
        return self._telemetry.read(ref)

    def scaling(self, raw: Object) -> Scaling:
        """The autoscalers of a workload now, and the disruption budgets of its pods."""
        return read_scaling(self._kube, raw)

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        """The labels of a namespace."""
        labels: dict[str, str] = self._kube.get(f"/api/v1/namespaces/{namespace}")["metadata"].get("labels") or {}
        return labels

    def incidents(self, ref: WorkloadRef, *, full: bool) -> tuple[IncidentSummary, ...]:
        """Summaries of incidents: all of the namespace if `full`, else those that sources opened for this workload."""
        if full:
            return self._summaries.get(ref.namespace)
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
        """The facts about one workload now. Unless `full`, only those that a confirmation needs.

        `name` is the incident's. Crashes count from `since` on, or else from its opening on.
        """
        raw, workload, pods = self.view(ref)
        brief = Evidence(
            read_at=(self._now or clock.now)(),
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
        measured = brief.model_copy(update=measure_usage(self._usage, brief, full=full))
        if full or brief.alert_since is not None:
            measured = measured.model_copy(update={"telemetry": self.telemetry(ref)})
        if full:
            return self._add_details(raw, measured)
        return self._add_events(measured) if needs_events(measured) else measured

    def _add_events(self, evidence: Evidence) -> Evidence:
        """With events: only they report what keeps pods from being created or started."""
        warnings = read_warnings(self._kube, evidence)
        return evidence.model_copy(update={"events": tuple(select_events(evidence, warnings))})

    def _add_details(self, raw: Object, evidence: Evidence) -> Evidence:
        """With the history and the output of the workload, and then with what those point to around it."""
        tails, warnings = tuple(tail_logs(self._kube, evidence)), read_warnings(self._kube, evidence)
        own: dict[str, Any] = {
            "revisions": self._revisions(raw, evidence),
            "logs": tuple(tail.redacted for tail in tails),
            "events": tuple(select_events(evidence, warnings)),
            "bounds": self._bounds(evidence),
        }
        detailed = evidence.model_copy(update=own)
        origin = self._telemetry.origin(self._kube, detailed)
        known = dependencies(self._kube, raw, detailed, tails)
        around: dict[str, Any] = {
            "nodes": read_nodes(self._kube, detailed.live_pods),
            "dependencies": known if origin is None else (*known, origin),
            "incidents": (*detailed.incidents, *self._incidents_there(origin, detailed)),
            "affected_workloads": workloads_missing_same_object(self._kube, detailed, warnings),
        }
        return detailed.model_copy(update=around)

    def _incidents_there(self, origin: DependencyView | None, evidence: Evidence) -> tuple[IncidentSummary, ...]:
        """The incidents of another namespace from which our anomalies come."""
        if origin is None or origin.ref.namespace == evidence.workload.ref.namespace:
            return ()
        try:
            return self._summaries.get(origin.ref.namespace)
        except Forbidden:
            return ()

    def nodes(self, pods: tuple[PodView, ...]) -> tuple[NodeView, ...]:
        """The nodes of the pods that are not ready."""
        return read_nodes(self._kube, pods)

    def _scaling(self, raw: Object, spec: IncidentSpec, *, full: bool) -> Scaling:
        """The autoscalers. A confirmation needs them only to decide whether one reacts to the saturation."""
        saturated = saturated_resource(spec.type) is not None
        return read_scaling(self._kube, raw, bounds=saturated and full) if saturated or full else Scaling()

    def _revisions(self, raw: Object, evidence: Evidence) -> Any:
        ref = evidence.workload.ref
        return history.revision_views(
            raw,
            evidence.workload,
            self.history(raw),
            self._kube.list(paths.snapshots(ref.namespace), labelSelector=history.snapshot_selector(ref)),
            pods=evidence.pods,
            read_at=evidence.read_at,
            soak=self._stable_for,
        )

    def healthy_percent(self, namespace: str, policy: EffectivePolicy) -> float | None:
        """The percentage of workloads with all their replicas; None if there are none, or if the policy ignores it."""
        if not policy.budgets.minimum_healthy_percent:
            return None
        views = [
            workload_view({"kind": kind, **raw})
            for kind in ("Deployment", "StatefulSet", "DaemonSet")
            for raw in self._kube.list(paths.collection(kind, namespace))
        ]
        healthy = [view.available_replicas >= view.replicas for view in views if view.replicas]
        return 100 * sum(healthy) / len(healthy) if healthy else None

    def _bounds(self, evidence: Evidence) -> MemoryBounds:
        """The limits of namespace and nodes; read only when memory is the problem."""
        killed = any(map(may_be_kill, find_symptoms(evidence.live_pods)))
        if not killed and saturated_resource(evidence.incident.type) != "memory":
            return MemoryBounds()
        return read_memory_bounds(self._kube, evidence.workload.ref.namespace)
