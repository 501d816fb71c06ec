"""The revision to roll back to: the last one that was seen available, never simply the previous one.

One that was ready too briefly to be good, or that is known of a deleted workload of the same name, is better than none.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from prunella_workflows.decisions.playbooks.playbook import PlanCase, precondition, settle, stuck_pods
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.plan import RestoreTemplate, Step
from prunella_workflows.model.workload import RevisionView

_YOUNG = timedelta(minutes=10)
_MIN_FAILURES = 2


def is_new_release(evidence: Evidence) -> bool:
    """Report whether the current template was never seen available and stable, or not long enough to prove anything."""
    good = [revision for revision in current_records(evidence) if revision.good_at is not None]
    return not good or _always_fails_later(good, evidence)


def is_younger_than(age: timedelta, at: datetime, evidence: Evidence) -> bool:
    """Report whether the current release was rolled out less than `age` before `at`."""
    made = [revision.created_at for revision in current_records(evidence) if revision.created_at is not None]
    return bool(made) and at - min(made) < age


def current_records(evidence: Evidence) -> list[RevisionView]:
    """The records of the current release: also from before a restart or a raise, or with other checksum annotations."""
    templates = (evidence.workload.template_hash, evidence.raised_from)
    content = {revision.content for revision in evidence.revisions if revision.current and revision.content}
    return [
        revision
        for revision in evidence.revisions
        if revision.current or revision.ref.template_hash in templates or revision.content in content
    ]


def _always_fails_later(good: list[RevisionView], evidence: Evidence) -> bool:
    """Report whether a young release fails each time after running for longer than it took to be recorded as good.

    Then that record proves nothing. A release that breaks because of its data fails sooner on its second start.
    """
    since = min((revision.good_since for revision in good if revision.good_since is not None), default=None)
    if since is None or evidence.opened_at - since > _YOUNG or known_good(evidence) is None:
        return False
    lifetimes = list(_lifetimes(evidence))
    return bool(lifetimes) and min(lifetimes) > timedelta(seconds=evidence.soak)


def _lifetimes(evidence: Evidence) -> Iterator[timedelta]:
    """The recorded durations of runs of containers that failed more than once."""
    for pod in evidence.current_pods:
        for container in pod.containers:
            failures = container.restarts + (container.running_since is None)
            for run in container.terminations if failures >= _MIN_FAILURES and not container.init else ():
                if run.started_at is not None and run.finished_at is not None:
                    yield run.finished_at - run.started_at


def known_good(evidence: Evidence) -> RevisionView | None:
    """The revision last seen available whose template runs differently from the current one and fits the selector."""
    current = current_records(evidence)
    others = (revision for revision in evidence.revisions if revision.compatible and revision not in current)
    return max((revision for revision in others if _ran(revision)), key=_trust, default=None)


def _ran(revision: RevisionView) -> bool:
    return revision.good_at is not None or revision.ready_for is not None


def _trust(revision: RevisionView) -> tuple[bool, bool, float, int]:
    """The order of trust: proven before seen briefly, and this workload's own before what an earlier one left."""
    good_at = revision.good_at.timestamp() if revision.good_at else 0.0
    return not revision.inherited, revision.good_at is not None, good_at, revision.number


def doubt(revision: RevisionView) -> str:
    """Why the revision may not be good after all; "" if nothing speaks against it."""
    if revision.inherited:
        return "it is known of a deleted workload of this name"
    if revision.good_at is None and revision.ready_for is not None:
        return f"it was ready for {revision.ready_for:.0f} s, which proves little"
    return ""


def rollback(case: PlanCase, revision: RevisionView, why: str) -> Step:
    """The step that restores `revision`'s template."""
    action = RestoreTemplate(
        target=case.findings.evidence.workload.ref,
        require=precondition(case.findings.evidence),
        revision=revision.ref,
        number=revision.number,
        description=str(revision),
        replace_pods=stuck_pods(case.findings),
    )
    return Step(action=action, settle=settle(case.policy), why=why)
