"""Pods fail and no release explains it: nothing in the workload's own spec would repair this; a person is told."""

from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom, failing
from prunella_workflows.decisions.playbooks.playbook import Playbook
from prunella_workflows.decisions.playbooks.revisions import is_new_release, known_good
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.workload import Outcome

_AROUND = "Look at what changed around the service: Secrets, ConfigMaps, dependencies, permissions."
_NEXT = {
    Kind.CONFIG: "Put back what the pods refer to: the evidence names the Secret, ConfigMap, key or volume.",
    Kind.IMAGE: "Look at the registry: whether the image is still there, and whether the pull secret is still valid.",
    Kind.UNSCHEDULABLE: "Look at the nodes: free capacity, taints, cordons and labels; and at the pods' volumes.",
    Kind.NOT_MADE: "Look at what refuses the pods: quota, LimitRange, Pod Security, ServiceAccount, webhooks.",
}


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """Any failing pod that the more specific playbooks did not explain, and a Job that failed and left none."""
    found = failing(evidence, evidence.live_pods)
    run = _failed_run(evidence)
    if not found and not run:
        return Rejected(cause=Cause.POD_CRASH_LOOP, reason="no pod fails")
    return Diagnosis(
        cause=Cause.POD_CRASH_LOOP,
        confidence=0.6,
        message=" ".join(filter(None, (run, _message(evidence, found[0]) if found else ""))),
        container=found[0].container if found else "",
        decided_by=tuple(str(one) for one in found[:5]) or (run,),
    )


def _failed_run(evidence: Evidence) -> str:
    """What there is to say of work that ended in failure; nothing of a bare pod, whose containers say it all."""
    run, ref = evidence.workload.run, evidence.workload.ref
    if run is None or run.outcome is not Outcome.FAILED or ref.kind == "Pod":
        return ""
    words = f"{run.reason}: {run.message}".strip(": ")
    return f"Job {run.name} failed" + (f" ({words})." if words else ".")


def _message(evidence: Evidence, first: Symptom) -> str:
    log = next((tail.lines[-1] for tail in evidence.logs if tail.container == first.container and tail.lines), "")
    release = f"; {_release(evidence)}" if evidence.workload.ref.repairable else ""
    return f"{first}{release}." + (f' Last log line: "{log}"' if log else "")


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
    kinds = [one.kind for one in failing(evidence, evidence.live_pods)]
    if is_new_release(evidence) and known_good(evidence) is None:
        return Plan(
            reason="NoKnownGoodRevision",
            message=f"{diagnosis.message} There is no revision to go back to.",
            next_step="Fix the release: see the evidence for the container that fails and its last words.",
        )
    return Plan(
        reason="InnocentRelease",
        message=f"{diagnosis.message} A rollback would not help.",
        next_step=_NEXT.get(kinds[0], _AROUND) if kinds else _AROUND,
    )


PLAYBOOK = Playbook(
    cause=Cause.POD_CRASH_LOOP,
    summary="Pods fail and no release explains it.",
    steps=("escalate with the evidence",),
    diagnose=diagnose,
    plan=plan,
)
