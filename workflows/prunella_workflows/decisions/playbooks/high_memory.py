"""A container is about to reach its memory limit: raise it before the OOM kill, or scale out, as the policy says."""

from prunella_workflows.decisions.diagnosis.saturation import Load, bounded, load_of
from prunella_workflows.decisions.playbooks.memory import hand_over, next_raise, no_more, overwritten
from prunella_workflows.decisions.playbooks.playbook import Playbook, not_measured, settle_relieved
from prunella_workflows.decisions.playbooks.scaling import scale_out
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, Scale, SetMemory, Step
from prunella_workflows.model.policy import EffectivePolicy

GOAL = 0.7
"""The share of its limit that a container shall use after scaling out: below what counts as high, with room to grow."""

_UNCONFIRMED = "A high use of memory was reported; no measurement confirms it."


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """The use of memory was reported as high, and the measurements do not say otherwise."""
    if evidence.incident.type is not IncidentType.HIGH_MEMORY:
        return Rejected(cause=Cause.HIGH_MEMORY, reason="nobody reported a high use of memory")
    load = load_of("memory", evidence)
    if load is None:
        return Diagnosis(cause=Cause.HIGH_MEMORY, confidence=0.2, message=_UNCONFIRMED)
    if not load.high:
        return Rejected(cause=Cause.HIGH_MEMORY, reason=str(load))
    return Diagnosis(
        cause=Cause.HIGH_MEMORY,
        confidence=0.9,
        message=f"Container {load.container} is about to reach its memory limit.",
        container=load.container,
        decided_by=(str(load),),
    )


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Raise the limit of the container that is about to reach it; without measurements nothing is written."""
    load = load_of("memory", evidence)
    if load is None:
        if not any(bounded("memory", container) for container in evidence.workload.containers):
            return hand_over("NoMemoryLimit", "No container has a memory limit of its own: look at the node.")
        return not_measured(diagnosis)
    if _only_scaling(policy):
        return scale_out(load, GOAL, evidence, policy, tried)
    return _raise(load, evidence, policy, tried)


def _only_scaling(policy: EffectivePolicy) -> bool:
    """Whether the policy wants more replicas instead of more memory."""
    actions = policy.actions or ()
    return Scale.__name__ in actions and SetMemory.__name__ not in actions


def _raise(load: Load, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    container = next(one for one in evidence.workload.containers if one.name == load.container)
    if container.memory_limit is None:
        return hand_over("NoMemoryLimit", f"Container {container.name} has no memory limit of its own.")
    if (elsewhere := overwritten(container, evidence)) is not None:
        return elsewhere
    action = next_raise(container, evidence, policy, tried)
    if action is None:
        return no_more(container, evidence, policy, tried)
    step = Step(action=action, settle=settle_relieved(policy, load), why=str(load))
    return Plan(steps=(step,), next_step="If that does not help, it is taken back and a person is asked.")


PLAYBOOK = Playbook(
    cause=Cause.HIGH_MEMORY,
    summary="A container is about to reach its memory limit.",
    steps=(
        "raise the memory of that container within every bound; scale out, if the policy allows that instead",
        "raise it once more",
        "escalate",
    ),
    diagnose=diagnose,
    plan=plan,
)
