"""The levels that actions have earned on the workloads of a policy, for its status.

Records are read only while a policy enables autonomy: once a minute.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prunella_operator import clock
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.kubernetes.track_records import WatchedTrackRecords
from prunella_operator.policies.kinds import CLUSTER, NAMESPACED
from prunella_operator.policies.objects import Labels, Policy
from prunella_workflows.decisions.autonomy.level import judge
from prunella_workflows.decisions.autonomy.lowest_level import lowest_of_action
from prunella_workflows.model.autonomy import AutonomyLevel, EarnedLevel, TrackRecord
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.policy import EffectivePolicy, PolicyLayer, PolicyMode
from prunella_workflows.model.policy_merge import merge_layers
from prunella_workflows.model.workload import WorkloadRef

_MAX_LEVELS = 64
_REFRESH_SECONDS = 60.0


@dataclass(frozen=True)
class Surroundings:
    """All policies, the labels of namespaces, and the namespaces and labels of workloads by uid, at one look.

    `effective`: the merged policies that were made so far, by uid of the workload.
    """

    policies: tuple[Policy, ...]
    namespaces: dict[str, Labels]
    workloads: dict[str, tuple[str, Labels]]
    effective: dict[str, EffectivePolicy | None] = field(default_factory=dict)


@dataclass(slots=True)
class EarnedLevels:
    """Knows the track records, and what they are worth under the policies."""

    records: WatchedTrackRecords
    _known: tuple[TrackRecord, ...] = ()
    _read_at: float = field(default=float("-inf"))

    async def refresh(self, policies: Iterable[Policy]) -> bool:
        """Read the records if it is time to, and a policy enables autonomy. True when they have changed."""
        now = clock.monotonic()
        if not any(map(enables_autonomy, policies)) or now - self._read_at < _REFRESH_SECONDS:
            return False
        self._read_at, before = now, self._known
        self._known = tuple(sorted(await self.records.all(), key=_latest, reverse=True))
        return self._known != before

    async def of_policy(self, policy: Policy, around: Surroundings) -> tuple[EarnedLevel, ...] | None:
        """The levels on its workloads, the latest trials first; None if it does not enable autonomy."""
        if not enables_autonomy(policy):
            return None
        found: list[EarnedLevel] = []
        for record in self._known:
            found += _levels(policy, record, around)
            if len(found) >= _MAX_LEVELS:
                break
            await asyncio.sleep(0)  # a look at many records would never let other tasks run
        return tuple(found[:_MAX_LEVELS])


def enables_autonomy(policy: Policy) -> bool:
    """Report whether the policy itself enables autonomy; it may be invalid."""
    rule = policy.spec.get("autonomy")
    return isinstance(rule, dict) and rule.get("enabled") is True


def _levels(policy: Policy, record: TrackRecord, around: Surroundings) -> Iterator[EarnedLevel]:
    """The level of each action of a record, if the policy selects its workload."""
    if record.uid not in around.workloads:  # deleted
        return
    namespace, labels = around.workloads[record.uid]
    if not _selects(policy, namespace, labels, around):
        return
    if record.uid not in around.effective:
        around.effective[record.uid] = _effective(namespace, labels, around)
    effective = around.effective[record.uid]
    kind, _, name = record.workload.partition("/")[2].partition("/")
    target = WorkloadRef(kind=kind, namespace=namespace, name=name, uid=record.uid)
    if effective is not None and effective.autonomy.enabled:
        for action in sorted(record.actions):
            yield _level(record, effective, target, action)


def _level(record: TrackRecord, policy: EffectivePolicy, target: WorkloadRef, action: str) -> EarnedLevel:
    note = judge(record, policy.autonomy, target, action, lowest_of_action(action, policy))
    capped = policy.mode is PolicyMode.OBSERVE and note.level is not AutonomyLevel.OBSERVE
    return EarnedLevel(
        workload=record.workload,
        action=action,
        level=AutonomyLevel.OBSERVE if capped else note.level,
        message=f"{note.message} {note.level} is earned, and the mode is Observe." if capped else note.message,
    )


def _latest(record: TrackRecord) -> str:
    """The time of its latest trial."""
    return max((known.latest[-1].at.isoformat() for known in record.actions.values() if known.latest), default="")


def _selects(policy: Policy, namespace: str, labels: Labels, around: Surroundings) -> bool:
    if home := policy.metadata.namespace:
        return home == namespace and matches(policy.spec.get(NAMESPACED.selector) or {}, labels)
    return matches(policy.spec.get(CLUSTER.selector) or {}, around.namespaces.get(namespace, {}))


def _effective(namespace: str, labels: Labels, around: Surroundings) -> EffectivePolicy | None:
    """The merged policy of a workload; None while one that selects it is invalid, which fails its incidents."""
    of_namespace = dict(around.namespaces.get(namespace, {}))
    layers: list[PolicyLayer] = []
    try:
        for kind, home, selected in ((CLUSTER, "", of_namespace), (NAMESPACED, namespace, dict(labels))):
            found = (_raw(policy) for policy in around.policies if policy.metadata.namespace == home)
            layers += kind.select(found, selected, namespace)
    except InvalidIncident:
        return None
    return merge_layers(layers, of_namespace)


def _raw(policy: Policy) -> dict[str, object]:
    return {"metadata": {"name": policy.metadata.name}, "spec": policy.spec}
