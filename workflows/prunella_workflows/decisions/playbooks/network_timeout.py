"""A process hangs: it runs, nothing crashed, and it no longer answers its probe in time. Restart it, gently.

The kubelet's own words decide. A probe that times out shows a process that does not answer: a restart may help. A
probe that is answered with an error shows a process that works and says "not ready", most often because something it
needs is down: a restart would only make that worse, so that is left to a person.
"""

from prunella_workflows.decisions.diagnosis.probe_events import is_silence, last_word
from prunella_workflows.decisions.diagnosis.symptoms import LONG, Kind, failing
from prunella_workflows.decisions.playbooks.playbook import Playbook, precondition, settle
from prunella_workflows.decisions.playbooks.revisions import is_new_release
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Plan, Restart, Step
from prunella_workflows.model.policy import EffectivePolicy


def diagnose(evidence: Evidence) -> Diagnosis | Rejected:
    """Pods that run and do not answer their probe, on a revision that was good before."""
    found = failing(evidence, evidence.current_pods)
    silent = [one for one in found if one.kind is Kind.NOT_READY]
    if not silent or len(silent) != len(found):
        return _no("no pod just hangs" if not silent else "pods fail in other ways too")
    if is_new_release(evidence):
        return _no("the release is new: it may never have answered")
    if _restarted_lately(evidence):
        return _no("the kubelet restarted it a moment ago, which did not help for long")
    told = (last_word(evidence, one) for one in silent)
    words = [word for word in told if word is not None and is_silence(word)]
    if not words:
        return _no("the kubelet does not say that a probe timed out")
    return Diagnosis(
        cause=Cause.NETWORK_TIMEOUT,
        confidence=0.8,
        message=f"{len(silent)} of {len(evidence.current_pods)} pod(s) run without answering their probe.",
        decided_by=tuple(f"pod {one.about}: {one.message}" for one in words[:4]),
    )


def _restarted_lately(evidence: Evidence) -> bool:
    """Whether a container that is not ready has been through a restart within the last minutes."""
    silent = (
        container
        for pod in evidence.current_pods
        for container in pod.containers
        if not pod.ready and not container.ready
    )
    ends = [end.finished_at for one in silent for end in one.terminations if end.finished_at is not None]
    return any(evidence.read_at - at < LONG for at in ends)


def _no(reason: str) -> Rejected:
    return Rejected(cause=Cause.NETWORK_TIMEOUT, reason=reason)


def plan(diagnosis: Diagnosis, evidence: Evidence, policy: EffectivePolicy, tried: tuple[Attempt, ...]) -> Plan:
    """Restart once; a process that hangs again at once needs a person."""
    if any(attempt.action == "Restart" for attempt in tried):
        return Plan(
            reason="HangsAgain",
            message="The service was restarted and hangs again.",
            next_step="Look at what it waits for: its dependencies, locks and thread dumps.",
        )
    action = Restart(
        target=evidence.workload.ref,
        require=precondition(evidence),
        stamp=evidence.opened_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    step = Step(action=action, settle=settle(policy), why=diagnosis.message)
    return Plan(steps=(step,), next_step="If that does not help, a person is asked.")


PLAYBOOK = Playbook(
    cause=Cause.NETWORK_TIMEOUT,
    summary="A process runs but no longer answers.",
    steps=("restart by a rolling update", "escalate"),
    diagnose=diagnose,
    plan=plan,
)
