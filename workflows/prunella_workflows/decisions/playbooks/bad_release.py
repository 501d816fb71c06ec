"""A new release does not run while an earlier one did: go back to the last revision that was seen available.

The release is innocent, and left alone, when its template was good before or when the last good revision's pods
fail as well (a dependency is down): then a rollback would only hide the cause.
"""

from datetime import timedelta

from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom, failing, symptoms
from prunella_workflows.decisions.playbooks.playbook import Playbook
from prunella_workflows.decisions.playbooks.revisions import is_new_release, known_good, rollback
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.workload import RevisionView

_RECENT = timedelta(minutes=10)
_WHAT = {
    Kind.OOM: "runs out of memory",
    Kind.CRASH: "crashes",
    Kind.IMAGE: "has an image that cannot be pulled",
    Kind.CONFIG: "refers to configuration that cannot be used",
    Kind.UNSCHEDULABLE: "cannot be scheduled",
    Kind.NOT_READY: "does not become ready",
    Kind.NOT_MADE: "asks for pods that are refused",
}


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """Failing pods of a revision that never was good, newer than one that was."""
    found = failing(evidence, evidence.current_pods)
    good = known_good(evidence)
    if not found:
        return _no("no pod of the current revision fails")
    if not is_new_release(evidence):
        return _no("the current revision was available and stable before")
    if good is None:
        return _no("no earlier revision is known to have been available")
    if _lacks_room(found[0]) and not _asks_for_more(evidence, good):
        return _no("a quota is spent or the nodes are full, and this release asks for no more than the last good one")
    if others := _failing_elsewhere(evidence, good, found):
        return _no(f"the last good revision fails as well ({others[0]})")
    return _diagnosis(evidence, found, good)


def _failing_elsewhere(evidence: Evidence, good: RevisionView, found: list[Symptom]) -> list[Symptom]:
    """Symptoms of the same kind on pods of other revisions: then the release is not to blame."""
    kinds = {one.kind for one in found}
    others = [pod for pod in evidence.live_pods if pod.revision != evidence.workload.revision]
    good_pods = [pod for pod in others if good.ref.source != "ReplicaSet" or good.ref.name.endswith(pod.revision)]
    return [symptom for symptom in symptoms(good_pods) if symptom.kind in kinds and _fails_now(symptom, evidence)]


def _lacks_room(symptom: Symptom) -> bool:
    """Whether pods are refused by a quota, or find every node that may take them full. A node that does not match is
    the release's own choice.
    """
    words = symptom.message
    if symptom.kind is Kind.UNSCHEDULABLE:
        return "Insufficient " in words and "didn't match" not in words
    return symptom.kind is Kind.NOT_MADE and "exceeded quota" in words


def _asks_for_more(evidence: Evidence, good: RevisionView) -> bool:
    """Whether the current release's containers ask for other resources than the good one's did."""
    current = next((revision for revision in evidence.revisions if revision.current), None)
    return current is None or current.resources != good.resources


def _fails_now(symptom: Symptom, evidence: Evidence) -> bool:
    """A crash loop runs for a moment between two crashes, so a recent crash counts as one now."""
    return symptom.active or (symptom.at is not None and evidence.read_at - symptom.at < _RECENT)


def _diagnosis(evidence: Evidence, found: list[Symptom], good: RevisionView) -> Diagnosis:
    first = found[0]
    return Diagnosis(
        cause=Cause.BAD_RELEASE,
        confidence=0.9,
        message=f"The current release {_WHAT[first.kind]}; {good} was available before.",
        container=first.container,
        decided_by=(
            *(str(one) for one in found[:4]),
            f"{evidence.workload.ref}: the current template was never seen available; {good} was",
        ),
    )


def _no(reason: str) -> Rejected:
    return Rejected(cause=Cause.BAD_RELEASE, reason=reason)


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Roll back once; a rollback that did not help was undone, so the release was not the cause."""
    good = known_good(evidence)
    if any(attempt.action == "RestoreTemplate" for attempt in tried) or good is None:
        return Plan(
            reason="RollbackDidNotHelp",
            message="The last good revision fails too, so the release is not the cause. The rollback was undone.",
            next_step="Look at what the service depends on.",
        )
    step = rollback(evidence, policy, good, diagnosis.message)
    return Plan(steps=(step,), next_step="If that does not help, the rollback is undone and a person is asked.")


PLAYBOOK = Playbook(
    cause=Cause.BAD_RELEASE,
    summary="A new release does not run, while an earlier one did.",
    steps=("roll back to the last revision seen available", "escalate"),
    diagnose=diagnose,
    plan=plan,
)
