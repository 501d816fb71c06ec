"""Confirms that a fault persists. A pure function of the evidence, polled until it decides."""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis import startup
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.saturation import saturated_resource
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom
from prunella_workflows.decisions.verification import jobs, saturation
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Presence, Sighting
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.policy_limits import BackOff

QUIET = 30.0
"""Seconds that pods must stay healthy before the fault counts as gone by itself (at least; a longer grace wins)."""

_POLL_INTERVAL_SECONDS = 2.0
_PATIENT_POLL_INTERVAL_SECONDS = 10.0
_FLAPPING_WINDOW = timedelta(hours=1)
_FLAPPING_COUNT = 2


def confirm(findings: Findings, policy: EffectivePolicy, calm_since: datetime | None = None) -> Sighting:
    """Decide whether the fault persists through the policy's grace, is gone, or must be watched further.

    `calm_since` comes from the previous sighting, for incidents about saturation.
    """
    assert policy.grace is not None
    job = jobs.confirm(findings, policy.grace)
    return job if job is not None else _confirm_replicas(findings, policy, calm_since)


def _leave_to_kubelet(findings: Findings, back_off: BackOff) -> bool:
    """Report whether only a minority crashes of pods that are all of the current revision, and not for long."""
    assert back_off.restarts is not None
    assert back_off.time is not None
    evidence, pods = findings.evidence, findings.evidence.live_pods
    crashed = _crashed_pods(findings)
    rolled_out = pods == evidence.current_pods and len(pods) >= evidence.workload.replicas
    if not crashed or len(crashed) * 2 > len(pods) or not rolled_out:
        return False
    restarts = max(status.restarts for pod in pods if pod.name in crashed for status in pod.containers)
    waited = (evidence.read_at - evidence.opened_at).total_seconds()
    return restarts < back_off.restarts or waited < back_off.time


def _crashed_pods(findings: Findings) -> frozenset[str]:
    """The pods that crash or have just crashed; none when pods fail in other ways as well."""
    ready = {pod.name for pod in findings.evidence.live_pods if pod.ready}
    troubles = [failure for failure in findings.failures if failure.active or failure.pod not in ready]
    if any(trouble.kind is not Kind.CRASH for trouble in troubles):
        return frozenset()
    since = findings.evidence.since or findings.evidence.opened_at
    fresh = {symptom.pod for symptom in findings.symptoms if _crashed_after(symptom, since)}
    return frozenset(fresh | {trouble.pod for trouble in troubles})


def _crashed_after(symptom: Symptom, since: datetime) -> bool:
    return symptom.kind is Kind.CRASH and symptom.at is not None and symptom.at > since


def _confirm_replicas(findings: Findings, policy: EffectivePolicy, calm_since: datetime | None) -> Sighting:
    """The sighting where pods are meant to run without end."""
    assert policy.grace is not None
    evidence, grace = findings.evidence, policy.grace
    waited, quiet = (evidence.read_at - evidence.opened_at).total_seconds(), max(grace, QUIET)
    everywhere = _counts_old_revisions(evidence)
    symptoms = findings.symptoms if everywhere else findings.on_current_revision(findings.symptoms)
    failures = findings.failures if everywhere else findings.current_failures
    active = [failure for failure in failures if failure.active]
    left_alone = _leave_to_kubelet(findings, policy.back_off)
    if active and waited >= grace and not left_alone:
        return Sighting(presence=Presence.FAILING, reason="FaultPersists", message=str(active[0]))
    hidden = _find_hidden_fault(evidence, symptoms, everywhere=everywhere)
    if not active and not left_alone and hidden is not None:
        return hidden
    stable = _is_stable(evidence, symptoms, quiet)
    if not active and (resource := saturated_resource(evidence.incident.type)) is not None:
        return saturation.confirm(resource, evidence, grace, quiet, calm_since=calm_since, healthy=stable)
    if not active and evidence.since is None and _is_flapping(evidence):
        message = "it recovered by itself several times within the last hour and failed again"
        return Sighting(presence=Presence.FAILING, reason="Flapping", message=message)
    if active or not stable:
        until = startup.patient_until(evidence) if not active else None
        return _watch(evidence, grace - waited, until, left_alone=left_alone)
    return Sighting(presence=Presence.RECOVERED, reason="HealedByItself", message="the pods are healthy again")


def _watch(evidence: Evidence, left: float, until: datetime | None, *, left_alone: bool) -> Sighting:
    """Watch on: for what is `left` of the grace period (seconds), or until the deadline of a start."""
    if left_alone:
        message = "a minority of the pods crashes, and the kubelet restarts them"
        return Sighting(presence=Presence.WATCHING, reason="BackOff", message=message, again=_POLL_INTERVAL_SECONDS)
    if until is not None:
        workload = evidence.workload
        message = (
            f"{workload.available_replicas} of {workload.replicas} replicas are available; the pods that start have "
            f"until {until:%H:%M:%S} UTC (deadline of the rollout: {workload.deadline:g} s)"
        )
        again = _PATIENT_POLL_INTERVAL_SECONDS
        return Sighting(presence=Presence.WATCHING, reason="Starting", message=message, again=again, until=until)
    again = min(_POLL_INTERVAL_SECONDS, left) if left > 0 else _POLL_INTERVAL_SECONDS
    message = "waiting to see whether it persists"
    return Sighting(presence=Presence.WATCHING, reason="Watching", message=message, again=again)


def _counts_old_revisions(evidence: Evidence) -> bool:
    """Report whether pods of older revisions count. They go with the rollout (or with our undo), so they matter only if
    the rollout is past its deadline, or in a StatefulSet, which waits for them.
    """
    workload = evidence.workload
    return evidence.past_deadline or workload.ref.kind == "StatefulSet" or not workload.revision


def _find_hidden_fault(evidence: Evidence, symptoms: tuple[Symptom, ...], *, everywhere: bool) -> Sighting | None:
    """A fault that goes on although no pod shows it at this very moment."""
    since = evidence.since or evidence.opened_at
    crashes = (symptom for symptom in symptoms if symptom.kind in (Kind.OOM, Kind.CRASH))
    crash = next((crash for crash in crashes if crash.at is not None and crash.at > since), None)
    if crash is not None:
        return Sighting(presence=Presence.FAILING, reason="CrashedAgain", message=str(crash))
    pods = evidence.live_pods if everywhere else evidence.current_pods
    lost = next((pod.node for pod in pods if pod.node_lost), None)
    if lost is not None:
        return Sighting(presence=Presence.FAILING, reason="NodeLost", message=f"node {lost} has stopped reporting")
    return None


def _is_flapping(evidence: Evidence) -> bool:
    """Report whether this workload recently recovered by itself several times: waiting once more would not help."""
    recent = [
        incident
        for incident in evidence.incidents
        if incident.phase is Phase.RECOVERED
        and incident.namespace == evidence.workload.ref.namespace
        and incident.workload == str(evidence.workload.ref)
        and incident.closed_at is not None
        and evidence.read_at - incident.closed_at < _FLAPPING_WINDOW
    ]
    return len(recent) >= _FLAPPING_COUNT


def _is_stable(evidence: Evidence, symptoms: tuple[Symptom, ...], seconds: float) -> bool:
    """Report whether every wanted pod has been ready, and nothing has crashed, for that long."""
    pods = evidence.live_pods
    if not evidence.workload.settled or not pods:
        return False
    since = evidence.since or evidence.opened_at
    times = [symptom.at for symptom in symptoms if symptom.at is not None]
    latest = max([since, *times, *(pod.ready_since or evidence.read_at for pod in pods)])
    return all(pod.ready for pod in pods) and (evidence.read_at - latest).total_seconds() >= seconds
