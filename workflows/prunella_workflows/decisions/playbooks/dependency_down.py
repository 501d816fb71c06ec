"""A dependency is down, by the pods' own errors or its owner's annotation: wait for it and change nothing.

A rollback would only hide the cause, and the pods recover by themselves once the dependency is back. That takes them up
to five minutes, so those in a long back-off are evicted then.
"""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.external_cause import RESTART_TIMEOUT
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.probe_events import latest_probe_event
from prunella_workflows.decisions.diagnosis.program_output import find_unreachable_address
from prunella_workflows.decisions.diagnosis.symptoms import Kind
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook, precondition, settle
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import CausedBy
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import EvictPods, Plan, PodRef, Step
from prunella_workflows.model.workload import PodView

_LONG = timedelta(seconds=60)
_FIRST, _LAST, _STEPS = timedelta(seconds=10), timedelta(minutes=5), 6  # of the kubelet's back-off


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match pods without a fault of their own, while a known dependency is down or has just recovered."""
    cause = findings.dependency
    if cause is None:
        return Rejected(cause=Cause.DEPENDENCY_DOWN, reason=_rejection(findings.evidence))
    return Diagnosis(
        cause=Cause.DEPENDENCY_DOWN,
        confidence=0.9,
        message=cause.message,
        decided_by=tuple(map(str, findings.failures[:4])) or (cause.message,),
    )


def _rejection(evidence: Evidence) -> str:
    known = ", ".join(str(dependency.ref) for dependency in evidence.dependencies)
    return f"{known}: available, or unrelated to the failures" if known else "no dependency is known"


def plan(case: PlanCase) -> Plan:
    """Change nothing: the guard waits for the dependency, then the incident is escalated.

    Once the dependency is back, pods that would go on waiting for their next start are evicted, if nothing forbids it.
    """
    cause = case.findings.dependency
    waiting = _select_waiting(case.findings.evidence) if cause is not None and cause.recovered else ()
    steps = (_eviction(waiting, case),) if waiting and not case.has_tried(EvictPods.__name__) else ()
    next_step = cause.next_step if cause else ""
    return Plan(
        steps=steps,
        reason="DependencyDown",
        message=case.diagnosis.message,
        next_step=next_step,
        optional=bool(steps),
    )


def _eviction(pods: tuple[PodRef, ...], case: PlanCase) -> Step:
    """The eviction. A pod that a disruption budget keeps is started again at the end of its back-off."""
    evidence = case.findings.evidence
    action = EvictPods(target=evidence.workload.ref, require=precondition(evidence), pods=pods)
    rule = settle(case.policy)
    patient = rule.model_copy(update={"timeout": max(rule.timeout, RESTART_TIMEOUT.total_seconds())})
    return Step(action=action, settle=patient, why=case.diagnosis.message)


def _select_waiting(evidence: Evidence) -> tuple[PodRef, ...]:
    """The pods that the kubelet will not start for a while."""
    pods = (pod for pod in evidence.current_pods if _backoff_left(pod, evidence.read_at) > _LONG)
    return tuple(PodRef(name=pod.name, uid=pod.uid) for pod in pods)


def _backoff_left(pod: PodView, now: datetime) -> timedelta:
    """The time until the kubelet starts the pod's crashed containers again: 10 s, doubled each time up to 5 minutes."""
    waits = [
        container.terminations[0].finished_at + min(_FIRST * 2 ** (min(container.restarts, _STEPS) - 1), _LAST) - now
        for container in pod.containers
        if container.waiting == "CrashLoopBackOff" and container.terminations and container.terminations[0].finished_at
    ]
    return max(waits, default=timedelta())


def diagnose_by_output(findings: Findings) -> Diagnosis | Rejected:
    """Match a program that crashed because an address did not answer, or a probe that asks another host than its pod,
    when no release explains it.
    """
    host, line = find_unreachable_address(findings)
    proof = f'It could not reach {host}: "{line}".'
    if not host:
        host, proof = _probed_host(findings)
    if not host:
        return Rejected(cause=Cause.DEPENDENCY_DOWN, reason="no failing pod names an address that did not answer")
    target, message = _target(host, findings.evidence), f"{findings.failures[0]}. {proof}"
    return Diagnosis(
        cause=Cause.DEPENDENCY_DOWN,
        confidence=0.7,
        message=message,
        container=findings.failures[0].container,
        decided_by=tuple(map(str, findings.failures[:4])),
        caused_by=CausedBy(target=target, message=message),
    )


def _probed_host(findings: Findings) -> tuple[str, str]:
    """The host that the probes of the pods ask in their place, if that is what fails, and the proof; empty for none."""
    hosts, failures = findings.evidence.workload.probe_hosts, findings.current_failures
    if not hosts or any(failure.kind is not Kind.NOT_READY for failure in failures):
        return "", ""
    events = (latest_probe_event(findings.evidence, failure) for failure in failures)
    event = next((event for event in events if event is not None), None)
    return (hosts[0], f'Its probe asks {hosts[0]}: "{event.message}".') if event is not None else ("", "")


def _target(host: str, evidence: Evidence) -> str:
    """The Service that a host is: one that the pods mention, or one by its name; or else the host."""
    mentioned = [dependency.service for dependency in evidence.dependencies if dependency.service]
    name = host.partition(".")[0]
    if name in mentioned or (mentioned and host.replace(".", "").isdigit()):
        return f"Service/{name if name in mentioned else mentioned[0]}"
    is_service = "." not in host or host.partition(".")[2].startswith(f"{evidence.workload.ref.namespace}.svc")
    return f"Service/{name}" if is_service else host


def plan_by_output(case: PlanCase) -> Plan:
    """Escalate, naming what did not answer."""
    cause, namespace = case.diagnosis.caused_by, case.findings.evidence.workload.ref.namespace
    kind, _, name = (cause.target if cause else "").partition("/")
    step = f"kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name={name}" if name else kind
    return Plan(
        reason="DependencyDown",
        message=case.diagnosis.message,
        next_step=f"See what serves it: {step}" if name else f"Check {kind} and the way to it.",
    )


PLAYBOOK = Playbook(
    cause=Cause.DEPENDENCY_DOWN,
    summary="What the workload needs is down.",
    steps=(
        "wait for the dependency",
        "evict pods in a long back-off once it is back",
        "escalate, naming it and its incident",
    ),
    diagnose=diagnose,
    plan=plan,
)

BY_OUTPUT = Playbook(
    cause=Cause.DEPENDENCY_DOWN,
    summary="What a crashed program could not reach, when no release explains it.",
    steps=("escalate, naming it",),
    diagnose=diagnose_by_output,
    plan=plan_by_output,
)
