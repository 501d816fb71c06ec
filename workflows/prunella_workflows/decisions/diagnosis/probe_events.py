"""The kubelet's Events about the probes of a pod that is not ready, from the moment on at which it lost its readiness.

Earlier ones are about the pod's start. Many Events come late, so for a while their absence proves nothing.
"""

from datetime import UTC, datetime, timedelta

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.saturation import saturated_resource
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom
from prunella_workflows.model.evidence import EventView, Evidence
from prunella_workflows.model.workload import ContainerStatusView, PodView

_UNHEALTHY = "Unhealthy"
_TIMEOUTS = ("context deadline exceeded", "Client.Timeout", "i/o timeout", "timed out")
_EVENT_LEAD = timedelta(seconds=5)
"""The Event of the failure that makes a pod unready precedes the condition; times have whole seconds."""

_CALM = timedelta(seconds=30)
"""As long as pods must be healthy before a fault counts as gone."""
_REPORT_TIMEOUT = timedelta(seconds=90)
"""After the loss of readiness. A failing probe fails once a period, so the kubelet keeps reporting."""


def latest_probe_event(evidence: Evidence, symptom: Symptom) -> EventView | None:
    """The latest Event about this pod's probes since it lost its readiness."""
    since = symptom.at - _EVENT_LEAD if symptom.at is not None else None
    events = (event for event in evidence.events if event.about == symptom.pod and event.reason == _UNHEALTHY)
    relevant = sorted((event for event in events if _is_after(event, since)), key=_time)
    return relevant[-1] if relevant else None


def is_timeout(event: EventView) -> bool:
    """Report whether the probe timed out. Any response, even an error, shows a process that works."""
    return any(text in event.message for text in _TIMEOUTS)


def probe_reason_pending(findings: Findings) -> str:
    """The reason for which it is too early to know why these pods are not ready; "" when it is not."""
    evidence, failures = findings.evidence, findings.current_failures
    unready = [failure for failure in failures if failure.kind is Kind.NOT_READY and failure.at is not None]
    if not unready or len(unready) != len(failures) or any(latest_probe_event(evidence, item) for item in unready):
        return ""
    early = [item for item in unready if item.at is not None and evidence.read_at - item.at < _REPORT_TIMEOUT]
    return f"Pod {early[0].pod} is not ready, and the kubelet has not reported why yet." if early else ""


def readiness_pending(findings: Findings) -> str:
    """The reason for which it is too early to judge pods that were seen failing; "" when it is not.

    A kubelet that restarts reports its pods as ready until their probes fail again.
    """
    evidence = findings.evidence
    if findings.current_failures:
        return ""
    symptoms = findings.on_current_revision(findings.symptoms)
    unready = [symptom for symptom in symptoms if symptom.kind is Kind.NOT_READY and symptom.at is not None]
    if unready:
        return f"Pod {unready[0].pod} has just lost its readiness; waiting to see whether that lasts."
    back = [pod for pod in evidence.current_pods if _is_just_ready(pod, evidence.read_at)]
    if not back or saturated_resource(evidence.incident.type) is not None:  # an autoscaler makes new pods all the time
        return ""
    return f"Pod {back[0].name} has just become ready; waiting to see whether that lasts."


def _is_just_ready(pod: PodView, now: datetime) -> bool:
    return pod.ready and pod.ready_since is not None and now - pod.ready_since < _CALM


def old_pods_pending(findings: Findings) -> str:
    """The reason for which it is too early to blame a release: a pod of an earlier one has just become unready, too."""
    evidence, lasting = findings.evidence, set(findings.failures)
    for symptom in findings.symptoms:
        old = symptom.kind is Kind.NOT_READY and symptom.revision != evidence.workload.revision
        early = symptom.at is not None and evidence.read_at - symptom.at < _REPORT_TIMEOUT
        if old and early and symptom not in lasting:
            return f"Pod {symptom.pod} of an earlier release has just lost its readiness as well."
    return ""


def termination_reason_pending(evidence: Evidence) -> str:
    """The reason for which it is too early to know what ended these pods' containers; "" when it is not.

    The kubelet sometimes counts a restart a moment before it reports how the run before it ended.
    """
    pods = [pod for pod in evidence.current_pods if not pod.ready]
    early = (pod for pod in pods if any(_just_restarted(container, evidence) for container in pod.containers))
    pod = next(early, None)
    return f"Pod {pod.name} was restarted, and the kubelet has not reported why yet." if pod is not None else ""


def _just_restarted(status: ContainerStatusView, evidence: Evidence) -> bool:
    since = status.running_since
    recent = since is None or evidence.read_at - since < _REPORT_TIMEOUT
    return status.restarts > 0 and not status.terminations and recent


def _is_after(event: EventView, since: datetime | None) -> bool:
    return since is None or event.at is None or event.at >= since


def _time(event: EventView) -> datetime:
    return event.at or datetime.min.replace(tzinfo=UTC)
