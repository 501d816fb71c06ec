"""Pods that are evicted again and again: the replacement of each of them is evicted as well.

One eviction says nothing about a workload, and neither do several at once, when a node is short of something.
"""

import re
from datetime import timedelta

from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.workload import PodView

EVICTION_LIMIT = 3
"""Evictions in a row, each of a replacement, that count as a fault."""
EVICTION_WINDOW = timedelta(minutes=30)
_RECENT = timedelta(minutes=10)
# The kubelet's words when a pod outgrows what its own template grants: emptyDir.sizeLimit or ephemeral-storage.
_OWN_LIMIT = re.compile(r"exceed\w* (?:its|the) (?:\w+ )*limit", re.IGNORECASE)


def exceeds_own_limit(message: str) -> bool:
    """Report whether a pod was evicted for what it used itself, not for what its node lacked."""
    return _OWN_LIMIT.search(message) is not None


def evicted_in_a_row(evidence: Evidence) -> tuple[PodView, ...]:
    """The pods of the current revision that were evicted, each the replacement of the one before; () if they are few,
    or if the last one was evicted long ago.
    """
    chain: list[PodView] = []
    for pod in sorted(_evicted(evidence), key=lambda pod: str(pod.evicted_at)):
        before = chain[-1].evicted_at if chain else None
        if before is None or (pod.created_at is not None and pod.created_at >= before):
            chain.append(pod)
    last = chain[-1].evicted_at if chain else None
    lasts = last is not None and evidence.read_at - last <= _RECENT
    return tuple(chain) if lasts and len(chain) >= EVICTION_LIMIT else ()


def eviction_message(evidence: Evidence, pod: PodView) -> str:
    """The kubelet's words on an eviction: its Event has them also when the pod's status has lost them."""
    events = (event for event in reversed(evidence.events) if (event.about, event.reason) == (pod.name, "Evicted"))
    return next((event.message for event in events), pod.evicted)


def _evicted(evidence: Evidence) -> tuple[PodView, ...]:
    since, revision = evidence.read_at - EVICTION_WINDOW, evidence.workload.revision
    return tuple(
        pod
        for pod in evidence.pods
        if pod.evicted and pod.revision == revision and pod.evicted_at is not None and pod.evicted_at >= since
    )
