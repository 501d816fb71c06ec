"""The template ran well before, or the last good revision fails as well: what changed is outside of the release."""

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook, describe_failure, look_at
from prunella_workflows.decisions.playbooks.revisions import is_new_release
from prunella_workflows.model.incident_status import CausedBy
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan

_CHECK = "Check what changed around the service: its configuration, data, dependencies and permissions."
_INJECTED = "It fails and is not in the template: something has injected it."
_COLUMNS = "KIND:.kind,NAME:.metadata.name,CHANGED:.metadata.managedFields[*].time"


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match failures that no release explains, unless other pods of the same template have begun to run well since."""
    evidence, failures = findings.evidence, findings.failures
    if not failures:
        return _reject("no pod fails")
    if not evidence.workload.ref.repairable:
        return _reject(f"nothing is known of how this {evidence.workload.ref.kind} ran before")
    if well := _begun_well(findings):
        return _reject(f"pod {well} has the same template and surroundings, and runs")
    known = "the good revision fails as well" if is_new_release(evidence) else "this revision was good before"
    return Diagnosis(
        cause=Cause.ENVIRONMENT_CHANGED,
        confidence=0.6,
        message=f"{describe_failure(evidence, failures[0], known)} What changed is outside of the release.",
        container=failures[0].container,
        decided_by=(*map(str, failures[:4]), known),
        caused_by=_injected(findings),
    )


def _injected(findings: Findings) -> CausedBy | None:
    """The failing container that is not in the template, as an admission webhook adds it."""
    known = {container.name for container in findings.evidence.workload.containers}
    names = (failure.container for failure in findings.failures if failure.container)
    name = next((name for name in names if known and name not in known), "")
    return CausedBy(target=f"container {name}", message=_INJECTED) if name else None


def _begun_well(findings: Findings) -> str:
    """A ready pod of the current revision that began to run after the fault; of a new release any ready one.

    A pod that fails itself proves nothing while it runs between two crashes.
    """
    evidence, failing = findings.evidence, {failure.pod for failure in findings.failures}
    new = is_new_release(evidence)
    for pod in evidence.current_pods:
        if pod.name in failing:
            continue
        starts = [status.running_since for status in pod.containers if status.running_since is not None]
        if pod.ready and (new or (starts and max(starts) > evidence.opened_at)):
            return pod.name
    return ""


def _reject(reason: str) -> Rejected:
    return Rejected(cause=Cause.ENVIRONMENT_CHANGED, reason=reason)


def plan(case: PlanCase) -> Plan:
    """Escalate; never roll back a release that is not to blame."""
    next_step = _next_step(case.findings)
    if case.has_tried("RestoreTemplate"):
        message = f"The last good revision fails too: a rollback did not help and was undone. {case.diagnosis.message}"
        return Plan(reason="RollbackDidNotHelp", message=message, next_step=next_step)
    message = f"{case.diagnosis.message} A rollback would not help."
    return Plan(reason="InnocentRelease", message=message, next_step=next_step)


def _next_step(findings: Findings) -> str:
    """With the command that shows when the objects that the template refers to were changed, and not their contents."""
    evidence = findings.evidence
    references = " ".join(reference.lower() for reference in evidence.workload.references)
    command = f"kubectl get {references} -n {evidence.workload.ref.namespace} -o custom-columns={_COLUMNS}"
    changed = f" When its configuration changed: {command}" if references else ""
    return f"{_CHECK} What fails: {look_at(evidence, findings.failures)}{changed}"


PLAYBOOK = Playbook(
    cause=Cause.ENVIRONMENT_CHANGED,
    summary="What worked before fails, and no release explains it.",
    steps=("escalate with the evidence, and what the template refers to",),
    diagnose=diagnose,
    plan=plan,
)
