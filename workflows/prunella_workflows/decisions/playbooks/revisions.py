"""The revision to roll back to: the last one that was seen available, never simply the previous one."""

from collections.abc import Iterator
from datetime import timedelta

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.playbook import precondition, settle, stuck_pods
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.plan import RestoreTemplate, Step
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.workload import RevisionView

_YOUNG = timedelta(minutes=10)
_MIN_FAILURES = 2


def is_new_release(evidence: Evidence) -> bool:
    """Report whether the current template was never seen available and stable, or not long enough to prove anything.

    The same template may be recorded more than once: before and after a restart, as a snapshot of a Deployment that
    was deleted and recreated, or with another checksum annotation of the same configuration.
    """
    good = [revision for revision in _current_records(evidence) if revision.good_at is not None]
    return not good or _always_fails_later(good, evidence)


def _current_records(evidence: Evidence) -> list[RevisionView]:
    """The records of the current template."""
    template = evidence.workload.template_hash
    content = {revision.content for revision in evidence.revisions if revision.current and revision.content}
    return [
        revision
        for revision in evidence.revisions
        if revision.current or revision.ref.template_hash == template or revision.content in content
    ]


def _always_fails_later(good: list[RevisionView], evidence: Evidence) -> bool:
    """Report whether a young release keeps failing, each time only after it ran longer than it took to be recorded as
    good: then that record proves nothing. A release that breaks because of its data fails sooner on its second start.
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
    current = _current_records(evidence)
    candidates = [
        revision
        for revision in evidence.revisions
        if revision.good_at is not None and revision.compatible and revision not in current
    ]
    return max(candidates, key=lambda candidate: (candidate.good_at, candidate.number), default=None)


def rollback(findings: Findings, policy: EffectivePolicy, revision: RevisionView, why: str) -> Step:
    """The step that restores `revision`'s template."""
    evidence = findings.evidence
    action = RestoreTemplate(
        target=evidence.workload.ref,
        require=precondition(evidence),
        revision=revision.ref,
        number=revision.number,
        description=str(revision),
        replace_pods=stuck_pods(findings),
    )
    return Step(action=action, settle=settle(policy), why=why)
