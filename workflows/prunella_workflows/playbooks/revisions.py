"""Which revision can be gone back to: the last one that was seen available, never simply the previous one."""

from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.plan import RestoreTemplate, Step
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.workload import RevisionView
from prunella_workflows.playbooks.playbook import precondition, settle


def current_revision(evidence: Evidence) -> RevisionView | None:
    """The revision that the workload's template stands for now."""
    return next((one for one in evidence.revisions if one.current), None)


def is_new_release(evidence: Evidence) -> bool:
    """Whether the current template was never seen available and stable."""
    current = current_revision(evidence)
    return current is None or current.good_at is None


def known_good(evidence: Evidence) -> RevisionView | None:
    """The revision last seen available whose template differs from the current one and fits the selector."""
    candidates = [
        one
        for one in evidence.revisions
        if one.good_at is not None and one.compatible and one.ref.template_hash != evidence.workload.template_hash
    ]
    return max(candidates, key=lambda one: (one.good_at, one.number), default=None)


def rollback(evidence: Evidence, policy: EffectivePolicy, revision: RevisionView, why: str) -> Step:
    """The step that puts `revision`'s template back."""
    action = RestoreTemplate(
        target=evidence.workload.ref,
        require=precondition(evidence),
        revision=revision.ref,
        description=str(revision),
    )
    return Step(action=action, settle=settle(policy), why=why)
