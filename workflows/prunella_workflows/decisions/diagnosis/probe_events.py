"""What the kubelet says of the probes of a pod that is not ready.

Its Events come late when many are told at once, and those of the pod's start are still there. So only what was said
from the moment on at which the pod lost its readiness counts, and no word at all is no answer for a while.
"""

from datetime import UTC, datetime, timedelta

from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom, failing, symptoms
from prunella_workflows.model.evidence import EventView, Evidence
from prunella_workflows.model.workload import ContainerStatusView

_UNHEALTHY = "Unhealthy"
_NO_ANSWER = ("context deadline exceeded", "Client.Timeout", "i/o timeout", "timed out")
_JUST_BEFORE = timedelta(seconds=5)
"""The failure that makes a pod unready is told a moment before the condition changes; times have whole seconds."""

_HEARD_WITHIN = timedelta(seconds=90)
"""After the loss of readiness. A probe goes on failing once a period, so the kubelet has more to say all the time."""


def last_word(evidence: Evidence, symptom: Symptom) -> EventView | None:
    """The newest word on this pod's probes since it has not been ready."""
    since = symptom.at - _JUST_BEFORE if symptom.at is not None else None
    told = (event for event in evidence.events if event.about == symptom.pod and event.reason == _UNHEALTHY)
    counting = sorted((one for one in told if _counts(one, since)), key=_moment)
    return counting[-1] if counting else None


def is_silence(word: EventView) -> bool:
    """Whether nobody answered the probe; an answer, even a bad one, shows a process that works."""
    return any(words in word.message for words in _NO_ANSWER)


def unheard(evidence: Evidence) -> str:
    """Why it is too early to tell what keeps these pods from being ready; "" when it is not."""
    found = failing(evidence, evidence.current_pods)
    silent = [one for one in found if one.kind is Kind.NOT_READY and one.at is not None]
    if not silent or len(silent) != len(found) or any(last_word(evidence, one) for one in silent):
        return ""
    early = [one for one in silent if one.at is not None and evidence.read_at - one.at < _HEARD_WITHIN]
    return f"Pod {early[0].pod} is not ready, and the kubelet has not said why yet." if early else ""


def unsettled(evidence: Evidence) -> str:
    """Why it is too early to tell what is wrong with pods that were seen failing; "" when it is not.

    A kubelet that starts anew calls its pods ready until their probes fail again.
    """
    pods = evidence.current_pods
    lately = [symptom for symptom in symptoms(pods) if symptom.kind is Kind.NOT_READY and symptom.at is not None]
    if not lately or failing(evidence, pods):
        return ""
    return f"Pod {lately[0].pod} has just lost its readiness: waiting to see whether that lasts."


def untold(evidence: Evidence) -> str:
    """Why it is too early to tell what ended these pods' containers; "" when it is not.

    The kubelet sometimes counts a restart a moment before it says how the run before it ended.
    """
    pods = [pod for pod in evidence.current_pods if not pod.ready]
    early = (pod for pod in pods if any(_just_restarted(container, evidence) for container in pod.containers))
    pod = next(early, None)
    return f"Pod {pod.name} was restarted, and the kubelet has not said how it ended yet." if pod is not None else ""


def _just_restarted(status: ContainerStatusView, evidence: Evidence) -> bool:
    since = status.running_since
    lately = since is None or evidence.read_at - since < _HEARD_WITHIN
    return status.restarts > 0 and not status.terminations and lately


def _counts(word: EventView, since: datetime | None) -> bool:
    return since is None or word.at is None or word.at >= since


def _moment(word: EventView) -> datetime:
    return word.at or datetime.min.replace(tzinfo=UTC)
