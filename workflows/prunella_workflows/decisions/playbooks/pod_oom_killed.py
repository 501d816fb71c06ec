"""A container needs more memory than its limit: raise that limit within every bound, or escalate.

After a relapse raise once more, then roll back if the release is new. If memory was measured to grow steadily up to the
limit (a leak), or outgrew the raise of an earlier incident, roll a new release back first.
"""

from collections.abc import Iterator
from datetime import timedelta

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.memory_kills import find_proof, is_by_node
from prunella_workflows.decisions.diagnosis.symptoms import SIGKILL_EXIT, Kind, Symptom
from prunella_workflows.decisions.playbooks.memory import (
    explain_missing_limit,
    find_overwritten_limit,
    find_short_node,
    next_raise,
    no_more_raises,
)
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook, settle
from prunella_workflows.decisions.playbooks.revisions import is_new_release, is_younger_than, known_good, rollback
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, SetMemory, Step
from prunella_workflows.model.workload import ContainerView


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match an OOM kill of a container of the current revision; exit code 137 alone is not enough."""
    kills = list(_find_kills(findings))
    proofs = dict.fromkeys(filter(None, (find_proof(kill, findings.evidence) for kill in kills)))
    if not kills:
        return Rejected(cause=Cause.POD_OOM_KILLED, reason="no container was OOM-killed in its last run")
    first = kills[0]
    leaks = first.container in findings.evidence.memory_growing
    growth = f"container {first.container}: memory grew steadily up to the limit in each lifetime of the last hour"
    return Diagnosis(
        cause=Cause.POD_OOM_KILLED,
        confidence=0.95,
        message=f"Container {first.container} needs more memory than its limit: it was OOM-killed."
        + (" Its memory grew steadily until then: it may be leaking." if leaks else ""),
        container=first.container,
        decided_by=(*map(str, kills[:5]), *proofs, *((growth,) if leaks else ())),
    )


def _find_kills(findings: Findings) -> Iterator[Symptom]:
    """OOM kills that may explain this incident. Ignore a kill that the pod has recovered from if the incident was
    opened later for another symptom that is still present.
    """
    evidence = findings.evidence
    pods = {pod.name: pod for pod in evidence.current_pods}
    fails_otherwise = evidence.incident.type is not IncidentType.OOM_KILLED and _fails_otherwise(findings)
    symptoms = dict.fromkeys((*findings.recent_symptoms, *findings.failures))  # only failures know what blocks a start
    for symptom in findings.on_current_revision(tuple(symptoms)):
        survived = (
            symptom.pod in pods
            and pods[symptom.pod].ready
            and symptom.at is not None
            and symptom.at < evidence.opened_at
        )
        if _is_kill(symptom, evidence) and not (survived and fails_otherwise):
            yield symptom


def _fails_otherwise(findings: Findings) -> bool:
    """Report whether a pod, even one that runs between two crashes, fails other than by a 137 (maybe an OOM kill)."""
    ready = {pod.name for pod in findings.evidence.current_pods if pod.ready}
    failures = (failure for failure in findings.current_failures if failure.pod not in ready)
    return any(failure.kind is not Kind.OOM and failure.exit_code != SIGKILL_EXIT for failure in failures)


def _is_kill(symptom: Symptom, evidence: Evidence) -> bool:
    """A 137 counts if Prunella itself detected an OOM kill of this container, or if there is another proof of one; a
    person's report is not enough. A kill for want of memory of the node does not count.
    """
    if is_by_node(symptom, evidence):
        return False
    seen_before = (
        evidence.detected
        and evidence.incident.type is IncidentType.OOM_KILLED
        and evidence.incident.container_name == symptom.container
        and symptom.exit_code == SIGKILL_EXIT
    )
    return symptom.kind is Kind.OOM or seen_before or bool(find_proof(symptom, evidence))


def plan(case: PlanCase) -> Plan:
    """Raise the memory of the killed container, then roll back to a good release, then escalate."""
    findings, evidence, name = case.findings, case.findings.evidence, case.diagnosis.container
    container = next((container for container in evidence.workload.containers if container.name == name), None)
    if container is None or container.memory_limit is None:
        return explain_missing_limit(name, evidence)
    if (overwritten := find_overwritten_limit(container, findings)) is not None:
        return overwritten
    if (short := find_short_node(container, findings)) is not None:
        return short
    back, leaks = _rollback_step(case), name in evidence.memory_growing or _outgrew_raise(case)
    if back is not None and (leaks or _release_lowered_limit(container, evidence) or _cannot_start(findings)):
        return Plan(steps=(back,), next_step="If that does not help, escalate.")
    steps = tuple(step for step in (_raise_step(container, case), back) if step is not None)
    return Plan(steps=steps, next_step=_describe_next(steps)) if steps else no_more_raises(container, case)


def _raise_step(container: ContainerView, case: PlanCase) -> Step | None:
    action = next_raise(container, case)
    why = f"container {container.name} was OOM-killed"
    return Step(action=action, settle=settle(case.policy), why=why) if action is not None else None


def _release_lowered_limit(container: ContainerView, evidence: Evidence) -> bool:
    good = known_good(evidence)
    before = good.memory_limits.get(container.name) if good else None
    return before is not None and container.memory_limit is not None and container.memory_limit < before


def _cannot_start(findings: Findings) -> bool:
    """Report whether another fault of the release keeps its pods from starting, which more memory does not fix."""
    return any(symptom.kind in (Kind.IMAGE, Kind.CONFIG) for symptom in findings.on_current_revision(findings.symptoms))


def _rollback_step(case: PlanCase) -> Step | None:
    good = known_good(case.findings.evidence)
    new = is_new_release(case.findings.evidence) or _outgrew_raise(case)
    if good is None or case.has_tried("RestoreTemplate") or not new:
        return None
    return rollback(case, good, "the release that runs out of memory is new")


def _outgrew_raise(case: PlanCase) -> bool:
    """Report whether a release that was new at its first raise has used that up, after it had run well for a while."""
    if case.in_force is None or case.in_force.attempt.action != SetMemory.__name__:
        return False
    assert case.policy.relapse_window is not None
    window = timedelta(seconds=case.policy.relapse_window)
    return is_younger_than(window, case.tried[0].started_at, case.findings.evidence)


def _describe_next(steps: tuple[Step, ...]) -> str:
    if len(steps) > 1:
        return f"If that does not help: {steps[1].action}, then escalate."
    return "If that does not help, try more memory within the limits, then escalate."


PLAYBOOK = Playbook(
    cause=Cause.POD_OOM_KILLED,
    summary="A container needs more memory than its limit.",
    steps=(
        "raise the memory of that container, within policy, quota, LimitRange and node",
        "raise it once more",
        "roll back, if the release is new",
        "escalate",
    ),
    diagnose=diagnose,
    plan=plan,
)
