"""Which revision can be gone back to: the last one that was seen available, never simply the previous one."""

from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.plan import RestoreTemplate, Step
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.workload import RevisionView
from prunella_workflows.playbooks.playbook import precondition, settle, stuck_pods


def is_new_release(evidence: Evidence) -> bool:
    """Whether the current template was never seen available and stable.

    The same template may be on record more than once: before and after a restart, or as a snapshot of a Deployment
    that was deleted and made anew.
    """
    template = evidence.workload.template_hash
    return not any(
        one.good_at is not None and (one.current or one.ref.template_hash == template) for one in evidence.revisions
    )


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
        number=revision.number,
        description=str(revision),
        replace_pods=stuck_pods(evidence),
    )
    return Step(action=action, settle=settle(policy), why=why)
