"""A process hangs: it runs and has not crashed, but no longer responds to its probe in time. Restart it gradually.

The kubelet's Events decide. After a probe that times out a restart may help. A probe that gets an error response shows
a process that works, most often without a dependency that is down: a restart would only make that worse. So would one
while the liveness probe of the same process passes, or when all replicas fail at once: then they wait for the same.
"""

from datetime import timedelta

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.probe_events import is_timeout, latest_probe_event
from prunella_workflows.decisions.diagnosis.symptoms import STABLE_AFTER, Kind, Symptom
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook, precondition, settle
from prunella_workflows.decisions.playbooks.revisions import is_new_release
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, Restart, Step

_LIVENESS = "Liveness probe"
_AT_ONCE = timedelta(seconds=30)
"""The probes of several pods have their own phases, so they fail within a period of each other."""


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match pods that run and do not respond to their probe, on a revision that was good before."""
    evidence, failures = findings.evidence, findings.current_failures
    unready = [failure for failure in failures if failure.kind is Kind.NOT_READY]
    if not unready or len(unready) != len(failures):
        return _reject("no pod just hangs" if not unready else "pods fail in other ways too")
    if is_new_release(evidence):
        return _reject("the release is new: it may never have responded")
    if _restarted_recently(evidence):
        return _reject("the kubelet has just restarted it, which did not help for long")
    events = (latest_probe_event(evidence, failure) for failure in unready)
    timeouts = [event for event in events if event is not None and is_timeout(event)]
    if not timeouts:
        return _reject("the kubelet reports no probe that timed out")
    if common := _describe_common_cause(evidence, unready):
        return _reject(common)
    return Diagnosis(
        cause=Cause.NETWORK_TIMEOUT,
        confidence=0.8,
        message=f"{len(unready)} of {len(evidence.current_pods)} pod(s) run but do not respond to their probe.",
        decided_by=tuple(f"pod {event.about}: {event.message}" for event in timeouts[:4]),
    )


def _describe_common_cause(evidence: Evidence, unready: list[Symptom]) -> str:
    """The sign that the pods wait for something else, which a restart would not bring back; "" for none."""
    if evidence.workload.probe_hosts:
        return f"the probe asks {evidence.workload.probe_hosts[0]}, not the pod itself"
    times = [symptom.at for symptom in unready if symptom.at is not None]
    count = len(evidence.current_pods)
    if count > 1 and len(times) == count and max(times) - min(times) <= _AT_ONCE:
        return f"all {count} replicas lost their readiness within {_AT_ONCE.seconds} s of each other"
    alive = next((symptom.pod for symptom in unready if _passes_liveness_probe(symptom, evidence)), "")
    return f"the liveness probe of pod {alive} passes, so its process works" if alive else ""


def _passes_liveness_probe(symptom: Symptom, evidence: Evidence) -> bool:
    """Report whether an unready container has a liveness probe of which the kubelet reports no failure."""
    probed = {container.name for container in evidence.workload.containers if container.liveness}
    pods = (pod for pod in evidence.current_pods if pod.name == symptom.pod)
    unready = {status.name for pod in pods for status in pod.containers if not status.ready}
    failed = any(_LIVENESS in event.message for event in evidence.events if event.about == symptom.pod)
    return bool(probed & unready) and not failed


def _restarted_recently(evidence: Evidence) -> bool:
    """Report whether a container that is not ready was restarted within the last minutes."""
    pods = (pod for pod in evidence.current_pods if not pod.ready)
    unready = (container for pod in pods for container in pod.containers if not container.ready)
    times = (termination.finished_at for container in unready for termination in container.terminations)
    return any(at is not None and evidence.read_at - at < STABLE_AFTER for at in times)


def _reject(reason: str) -> Rejected:
    return Rejected(cause=Cause.NETWORK_TIMEOUT, reason=reason)


def plan(case: PlanCase) -> Plan:
    """Restart once; a process that hangs again soon needs a person."""
    evidence = case.findings.evidence
    if case.has_tried("Restart"):
        return Plan(
            reason="HangsAgain",
            message="The service was restarted and hangs again.",
            next_step="Find out what it waits for: check its dependencies, locks and thread dumps.",
        )
    action = Restart(
        target=evidence.workload.ref,
        require=precondition(evidence),
        stamp=evidence.opened_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    step = Step(action=action, settle=settle(case.policy), why=case.diagnosis.message)
    return Plan(steps=(step,), next_step="If that does not help, escalate.")


PLAYBOOK = Playbook(
    cause=Cause.NETWORK_TIMEOUT,
    summary="A process runs but no longer answers.",
    steps=("restart by a rolling update", "escalate"),
    diagnose=diagnose,
    plan=plan,
)
