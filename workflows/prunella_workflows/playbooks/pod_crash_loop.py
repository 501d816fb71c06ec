"""Pods fail and no release explains it: nothing in the workload's own spec would repair this; a person is told."""

from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.playbooks.playbook import Playbook
from prunella_workflows.playbooks.revisions import is_new_release, known_good
from prunella_workflows.symptoms import Symptom, failing


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """Any failing pod that the more specific playbooks did not explain."""
    found = failing(evidence, evidence.live_pods)
    if not found:
        return Rejected(cause=Cause.POD_CRASH_LOOP, reason="no pod fails")
    return Diagnosis(
        cause=Cause.POD_CRASH_LOOP,
        confidence=0.6,
        message=_message(evidence, found[0]),
        container=found[0].container,
        decided_by=tuple(str(one) for one in found[:5]),
    )


def _message(evidence: Evidence, first: Symptom) -> str:
    log = next((tail.lines[-1] for tail in evidence.logs if tail.container == first.container and tail.lines), "")
    return f"{first}; {_release(evidence)}." + (f' Last log line: "{log}"' if log else "")


def _release(evidence: Evidence) -> str:
    """What the history says about the current release."""
    if not is_new_release(evidence):
        return "this revision was good before"
    if known_good(evidence) is None:
        return "no earlier revision is known to be good"
    return "the new release does not explain it"


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Never a rollback of an innocent release: a person is asked."""
    del policy, tried
    if is_new_release(evidence) and known_good(evidence) is None:
        return Plan(
            reason="NoKnownGoodRevision",
            message=f"{diagnosis.message} There is no revision to go back to.",
            next_step="Fix the release: see the evidence for the container that fails and its last words.",
        )
    return Plan(
        reason="InnocentRelease",
        message=f"{diagnosis.message} A rollback would not help.",
        next_step="Look at what changed around the service: Secrets, ConfigMaps, dependencies, permissions.",
    )


PLAYBOOK = Playbook(
    cause=Cause.POD_CRASH_LOOP,
    summary="Pods fail and no release explains it.",
    steps=("escalate with the evidence",),
    diagnose=diagnose,
    plan=plan,
)
