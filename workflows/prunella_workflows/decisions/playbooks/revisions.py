"""Which revision can be gone back to: the last one that was seen available, never simply the previous one."""

from collections.abc import Iterator
from datetime import timedelta

from prunella_workflows.decisions.playbooks.playbook import precondition, settle, stuck_pods
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.plan import RestoreTemplate, Step
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.workload import RevisionView

_YOUNG = timedelta(minutes=10)
_AGAIN = 2


def is_new_release(evidence: Evidence) -> bool:
    """Whether the current template was never seen available and stable, or not for long enough to prove anything.

    The same template may be on record more than once: before and after a restart, as a snapshot of a Deployment that
    was deleted and made anew, or with another mark of the same configuration.
    """
    good = [one for one in _same(evidence) if one.good_at is not None]
    return not good or _always_dies_later(good, evidence)


def _same(evidence: Evidence) -> list[RevisionView]:
    """The records of the current template."""
    template = evidence.workload.template_hash
    content = {revision.content for revision in evidence.revisions if revision.current and revision.content}
    return [
        revision
        for revision in evidence.revisions
        if revision.current or revision.ref.template_hash == template or revision.content in content
    ]


def _always_dies_later(good: list[RevisionView], evidence: Evidence) -> bool:
    """Whether a young release dies again and again, and each time only when it has run for longer than it took to be
    known as good: its record says nothing of that. What breaks by its data dies sooner at its second start.
    """
    since = min((one.good_since for one in good if one.good_since is not None), default=None)
    if since is None or evidence.opened_at - since > _YOUNG or known_good(evidence) is None:
        return False
    lives = list(_lives(evidence))
    return bool(lives) and min(lives) > timedelta(seconds=evidence.soak)


def _lives(evidence: Evidence) -> Iterator[timedelta]:
    """How long the runs on record of containers lasted that died more than once."""
    for pod in evidence.current_pods:
        for container in pod.containers:
            deaths = container.restarts + (container.running_since is None)
            for end in container.terminations if deaths >= _AGAIN and not container.init else ():
                if end.started_at is not None and end.finished_at is not None:
                    yield end.finished_at - end.started_at


def known_good(evidence: Evidence) -> RevisionView | None:
    """The revision last seen available whose template runs differently from the current one and fits the selector."""
    current = _same(evidence)
    candidates = [
        revision
        for revision in evidence.revisions
        if revision.good_at is not None and revision.compatible and revision not in current
    ]
    return max(candidates, key=lambda candidate: (candidate.good_at, candidate.number), default=None)


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
