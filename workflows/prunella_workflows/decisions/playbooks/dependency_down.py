"""A dependency is down, by the pods' own errors or its owner's annotation: wait for it and change nothing.

A rollback would only hide the cause, and the pods recover by themselves once the dependency is back.
"""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.probe_events import latest_probe_event
from prunella_workflows.decisions.diagnosis.program_output import find_unreachable_address
from prunella_workflows.decisions.diagnosis.symptoms import Kind
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import CausedBy
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match pods without a fault of their own, while a known dependency is down or has just recovered."""
    cause = findings.dependency
    if cause is None:
        return Rejected(cause=Cause.DEPENDENCY_DOWN, reason=_rejection(findings.evidence))
    return Diagnosis(
        cause=Cause.DEPENDENCY_DOWN,
        confidence=0.9,
        message=cause.message,
        decided_by=tuple(map(str, findings.failures[:4])),
    )


def _rejection(evidence: Evidence) -> str:
    known = ", ".join(str(dependency.ref) for dependency in evidence.dependencies)
    return f"{known}: available, or unrelated to the failures" if known else "no dependency is known"


def plan(case: PlanCase) -> Plan:
    """Change nothing: the guard waits for the dependency, then the incident is escalated."""
    cause = case.findings.dependency
    return Plan(reason="DependencyDown", message=case.diagnosis.message, next_step=cause.next_step if cause else "")


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
    steps=("wait for the dependency", "escalate, naming it and its incident"),
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
