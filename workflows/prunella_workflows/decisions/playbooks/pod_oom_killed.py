"""A container needs more memory than its limit: raise that container's limit within every bound, or hand over.

A relapse after a raise is a sign of a leak: one further raise, then a rollback if the release is new, then a person.
Memory that was measured to grow steadily up to the limit is one too: then a new release is rolled back first, and
otherwise there is one raise only.
"""

from collections.abc import Iterator

from prunella_workflows.decisions.diagnosis.symptoms import SIGKILL_EXIT, Kind, Symptom, failing, lately, symptoms
from prunella_workflows.decisions.playbooks.memory import next_raise, no_more, overwritten, unlimited
from prunella_workflows.decisions.playbooks.playbook import Playbook, settle
from prunella_workflows.decisions.playbooks.revisions import is_new_release, known_good, rollback
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, Step
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.workload import ContainerView


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """An OOM kill of a container of the current revision decides; exit code 137 alone does not."""
    kills = list(_kills(evidence))
    if not kills:
        return Rejected(cause=Cause.POD_OOM_KILLED, reason="no container was OOM-killed in its last run")
    first = kills[0]
    leaks = first.container in evidence.memory_growing
    grew = f"container {first.container}: in each of its lives of the last hour its memory grew steadily to the limit"
    return Diagnosis(
        cause=Cause.POD_OOM_KILLED,
        confidence=0.95,
        message=f"Container {first.container} needs more memory than its limit: it was OOM-killed."
        + (" Its memory grew steadily until then: a leak is suspected." if leaks else ""),
        container=first.container,
        decided_by=(*(str(kill) for kill in kills[:5]), *((grew,) if leaks else ())),
    )


def _kills(evidence: Evidence) -> Iterator[Symptom]:
    """The OOM kills that may be what is wrong now. One that its pod has survived is not, when the incident was opened
    later on something else, and something else does fail.
    """
    pods = {pod.name: pod for pod in evidence.current_pods}
    elsewhere = evidence.incident.type is not IncidentType.OOM_KILLED and _fails_otherwise(evidence)
    for one in lately(evidence, evidence.current_pods):
        survived = pods[one.pod].ready and one.at is not None and one.at < evidence.opened_at
        if _is_kill(one, evidence) and not (survived and elsewhere):
            yield one


def _fails_otherwise(evidence: Evidence) -> bool:
    """Whether a pod fails by what is no OOM kill, not even one that is told as 137. It may run between two crashes."""
    ready = {pod.name for pod in evidence.current_pods if pod.ready}
    found = (one for one in failing(evidence, evidence.current_pods) if one.pod not in ready)
    return any(one.kind is not Kind.OOM and one.exit_code != SIGKILL_EXIT for one in found)


def _is_kill(symptom: Symptom, evidence: Evidence) -> bool:
    """A 137 counts when the incident was opened because this container was seen OOM-killed a moment before; a person's
    word on it is none.
    """
    seen_before = (
        evidence.seen
        and evidence.incident.type is IncidentType.OOM_KILLED
        and evidence.incident.container_name == symptom.container
        and symptom.exit_code == SIGKILL_EXIT
    )
    return symptom.kind is Kind.OOM or seen_before


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Raise the memory of the killed container; then go back to a good release; then hand over."""
    container = next((one for one in evidence.workload.containers if one.name == diagnosis.container), None)
    if container is None or container.memory_limit is None:
        return unlimited(diagnosis.container, evidence)
    if (elsewhere := overwritten(container, evidence)) is not None:
        return elsewhere
    back = _rollback_step(evidence, policy, tried)
    leaks = container.name in evidence.memory_growing
    if back is not None and (leaks or _release_lowered_limit(container, evidence) or _cannot_start(evidence)):
        return Plan(steps=(back,), next_step="If that does not help, a person is asked.")
    raised = _raise_step(container, evidence, policy, tried)
    steps = tuple(one for one in (raised, back) if one is not None)
    if steps:
        return Plan(steps=steps, next_step=_after(steps))
    return no_more(container, evidence, policy, tried)


def _raise_step(
    container: ContainerView, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]
) -> Step | None:
    action = next_raise(container, evidence, policy, tried)
    why = f"container {container.name} was OOM-killed"
    return Step(action=action, settle=settle(policy), why=why) if action is not None else None


def _release_lowered_limit(container: ContainerView, evidence: Evidence) -> bool:
    good = known_good(evidence)
    before = good.memory_limits.get(container.name) if good else None
    return before is not None and container.memory_limit is not None and container.memory_limit < before


def _cannot_start(evidence: Evidence) -> bool:
    """Whether something else of the release keeps its pods from starting, which no memory mends."""
    return any(symptom.kind in (Kind.IMAGE, Kind.CONFIG) for symptom in symptoms(evidence.current_pods))


def _rollback_step(evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Step | None:
    good = known_good(evidence)
    if good is None or not is_new_release(evidence) or any(attempt.action == "RestoreTemplate" for attempt in tried):
        return None
    return rollback(evidence, policy, good, "the release that runs out of memory is new")


def _after(steps: tuple[Step, ...]) -> str:
    if len(steps) > 1:
        return f"If that does not help: {steps[1].action}, then a person is asked."
    return "If that does not help, more memory is tried within the limits, then a person is asked."


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
