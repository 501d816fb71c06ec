"""What a playbook is: one root cause, how to recognise it, and the ordered steps that repair it."""

from collections.abc import Callable
from dataclasses import dataclass

from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, Precondition, Settle
from prunella_workflows.model.policy import EffectivePolicy

Diagnose = Callable[[Evidence], Diagnosis | Rejected]
MakePlan = Callable[[Diagnosis, Evidence, EffectivePolicy, tuple[Attempt, ...]], Plan]


@dataclass(frozen=True)
class Playbook:
    """One root cause.

    `diagnose` says whether the evidence shows this cause, or why not. `plan` gives the steps that are left after
    the attempts already made (and undone); an empty plan says why nothing is left. `steps` tells people the order.
    """

    cause: Cause
    summary: str
    steps: tuple[str, ...]
    diagnose: Diagnose
    plan: MakePlan


def precondition(evidence: Evidence) -> Precondition:
    """The live object must still be the one this evidence was read from."""
    workload = evidence.workload
    return Precondition(uid=workload.ref.uid, template_hash=workload.template_hash, last_action=workload.last_action)


def settle(policy: EffectivePolicy) -> Settle:
    """The policy's rule for judging a step."""
    rule = policy.verification
    assert rule.timeout is not None
    assert rule.window is not None
    return Settle(timeout=rule.timeout, window=rule.window)
