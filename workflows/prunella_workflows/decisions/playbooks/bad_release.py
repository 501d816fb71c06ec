"""A new release fails while an earlier one worked: roll back to the last revision that was seen available.

If pods of that revision fail as well, the release is not to blame, and a rollback would only hide the cause. A release
whose pods are ready and serve badly is seen by its telemetry, see `degraded_release`.
"""

from prunella_workflows.decisions.diagnosis import blame
from prunella_workflows.decisions.diagnosis.anomalies import open_anomalies
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom
from prunella_workflows.decisions.playbooks import degraded_release
from prunella_workflows.decisions.playbooks.playbook import PlanCase, Playbook
from prunella_workflows.decisions.playbooks.revisions import doubt, is_new_release, known_good, rollback
from prunella_workflows.decisions.telemetry.alerts import describe
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.workload import RevisionView

_FAULTS = {
    Kind.OOM: "runs out of memory",
    Kind.CRASH: "crashes",
    Kind.IMAGE: "has an image that cannot be pulled",
    Kind.CONFIG: "refers to configuration that cannot be used",
    Kind.UNSCHEDULABLE: "cannot be scheduled",
    Kind.NOT_READY: "does not become ready",
    Kind.NOT_MADE: "asks for pods that the API server refuses",
    Kind.EVICTED: "uses more than its own limits and is evicted",
}


def diagnose(findings: Findings) -> Diagnosis | Rejected:
    """Match failing pods of a revision that was never good and is newer than one that was, or ready ones that serve
    badly.
    """
    evidence, failures = findings.evidence, findings.current_failures
    good = known_good(evidence)
    if not findings.failures and open_anomalies(evidence):
        return _diagnose_by_telemetry(evidence, good)
    if not failures:
        return _reject("no pod of the current revision fails")
    if not is_new_release(evidence):
        return _reject("the current revision was available and stable before")
    if good is None:
        return _reject("no earlier revision is known to have been available")
    if reason := blame.acquit(findings, good):
        return _reject(reason)
    return _diagnosis(evidence, blame.guilty_failures(findings, good), good)


def _diagnosis(evidence: Evidence, failures: tuple[Symptom, ...], good: RevisionView) -> Diagnosis:
    first, unsure = failures[0], doubt(good)
    was = f"{good} was available before, but {unsure}" if unsure else f"{good} was available before"
    unseen = f"{evidence.workload.ref}: the current template was never seen available; {good} was"
    return Diagnosis(
        cause=Cause.BAD_RELEASE,
        confidence=0.6 if unsure else 0.9,
        message=f"The current release {_FAULTS[first.kind]}; {was}.",
        container=first.container,
        decided_by=(*map(str, failures[:4]), unseen),
    )


def _reject(reason: str) -> Rejected:
    return Rejected(cause=Cause.BAD_RELEASE, reason=reason)


def _diagnose_by_telemetry(evidence: Evidence, good: RevisionView | None) -> Diagnosis | Rejected:
    """Match ready pods of a new release that serve badly, if telemetry and the cluster agree that it is to blame."""
    if reason := degraded_release.acquit(evidence, good):
        return _reject(f"no pod fails, and {reason}")
    anomalies = degraded_release.serving_anomalies(evidence)
    return Diagnosis(
        cause=Cause.BAD_RELEASE,
        confidence=0.8 if degraded_release.is_compared(evidence) else 0.6,
        message=f"The current release is ready, but {describe(anomalies[0])}; {good} was available before.",
        decided_by=(
            *map(describe, anomalies),
            f"{evidence.workload.ref}: only ready pods of the current template are affected; {good} served well",
        ),
    )


def plan(case: PlanCase) -> Plan:
    """Roll back once. A rollback that did not help was undone, so the release was not the cause."""
    good = known_good(case.findings.evidence)
    if case.has_tried("RestoreTemplate") or good is None:
        return Plan(
            reason="RollbackDidNotHelp",
            message="The last good revision fails too, so the release is not the cause. The rollback was undone.",
            next_step="Check what the service depends on.",
        )
    step = rollback(case, good, case.diagnosis.message)
    return Plan(steps=(step,), next_step="If that does not help, undo the rollback and escalate.")


PLAYBOOK = Playbook(
    cause=Cause.BAD_RELEASE,
    summary="A new release does not run, while an earlier one did.",
    steps=("roll back to the last revision seen available", "escalate"),
    diagnose=diagnose,
    plan=plan,
)
