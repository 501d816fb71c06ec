"""Write the status of policies where it differs from what it should be. Only the leader does it.

It lists nothing again and again: policies and namespaces are watched, and the labels of workloads come from the watches
that look for faults. While none of these changes, it does nothing, however many pods start and fail. A spec is judged
once, and between two policies other tasks may run.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import structlog

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.api import MERGE_PATCH, Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.selectors import matches
from prunella_operator.kubernetes.watch.resource import Scope, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_operator.policies.earned_levels import EarnedLevels, Surroundings
from prunella_operator.policies.kinds import CLUSTER, NAMESPACED, PolicyKind
from prunella_operator.policies.objects import (
    CLUSTER_POLICIES,
    NAMESPACES,
    POLICIES,
    Known,
    Labelled,
    Labels,
    Namespace,
    Policy,
    name_and_labels,
    namespace_and_labels,
)
from prunella_operator.policies.status import make_status
from prunella_workflows.model.errors import NotFound, Permanent, Retryable
from prunella_workflows.model.policy_status import PolicyStatus

_log = structlog.get_logger("prunella.policies")

_INTERVAL_SECONDS = 2.0  # changes of many objects at once become one look at all policies
_RETRY_INTERVAL_SECONDS = 15.0

Groups = Mapping[str, list[Labels]]
"""The labels of each workload, by namespace."""


@dataclass(slots=True)
class PolicyStatusWriter:
    """Keeps the status of the policies in `namespaces`, or in all, and of the ClusterHealingPolicies.

    `workloads` is a handler for the watches on workloads.
    """

    access: Access
    rest: AsyncClient
    levels: EarnedLevels
    namespaces: tuple[str, ...] = ()
    timings: WatchTimings = field(default_factory=WatchTimings)
    workloads: Known[Labelled, tuple[str, Labels]] = field(init=False)
    _policies: Known[Policy, Policy] = field(init=False)
    _namespaces: Known[Namespace, tuple[str, Labels]] = field(init=False)
    _errors: dict[str, tuple[Object, tuple[str, ...]]] = field(default_factory=dict)
    """The errors of each policy's spec, by uid, with the spec."""
    _refused: dict[str, str] = field(default_factory=dict)
    """The version of each policy whose status was refused, by uid: the refusal is logged once for each."""
    _changed: bool = True

    def __post_init__(self) -> None:
        self.workloads = Known(namespace_and_labels, self._note_change)
        self._policies = Known(lambda policy: policy, self._note_change)
        self._namespaces = Known(name_and_labels, self._note_change)

    def _note_change(self) -> None:
        self._changed = True

    def watches(self) -> Iterator[tuple[str, Watch[Any]]]:
        """The watches that it needs, each with a name for people. They run beside it."""
        for namespace in self.namespaces or (None,):
            scope, suffix = Scope(namespace), f" in {namespace}" if namespace else ""
            yield f"policies{suffix}", Watch(self.access, POLICIES, self._policies, scope, self.timings)
        yield "cluster policies", Watch(self.access, CLUSTER_POLICIES, self._policies, timings=self.timings)
        yield "namespaces", Watch(self.access, NAMESPACES, self._namespaces, timings=self.timings)

    async def run(self, is_synced: Callable[[], bool]) -> NoReturn:
        """Write until cancelled. Nothing is counted until all watches, those on workloads included, have listed."""
        while True:
            await self._refresh_levels()
            wait = await self._write_changes() if self._changed and is_synced() else _INTERVAL_SECONDS
            await asyncio.sleep(wait)

    async def _refresh_levels(self) -> None:
        """Note a change of track records, where a policy enables autonomy."""
        try:
            if await self.levels.refresh(self._policies.values.values()):
                self._changed = True
        except (Permanent, Retryable) as error:
            _log.warning("cannot read the track records", error=str(error))

    async def _write_changes(self) -> float:
        """Look at all policies; return the time to wait until the next look, in seconds."""
        self._changed = False
        try:
            async for policy, status in self.find_changes():
                await self._write(policy, status)
        except Retryable as error:
            _log.info("the status of policies is written later", reason=str(error))
            self._changed = True
            return _RETRY_INTERVAL_SECONDS
        return _INTERVAL_SECONDS

    async def find_changes(self) -> AsyncIterator[tuple[Policy, PolicyStatus]]:
        """Each policy whose status is not what it should be, with what it should be."""
        groups, policies = self._group_workloads(), dict(self._policies.values)
        around = self._surroundings()
        self._errors = {uid: judged for uid, judged in self._errors.items() if uid in policies}
        for policy in policies.values():
            earned = await self.levels.of_policy(policy, around)
            status = self._status_of(policy, groups).model_copy(update={"autonomy": earned})
            if status.to_object() != policy.status:
                yield policy, status
            await asyncio.sleep(0)  # a look at many policies would never let other tasks run

    def _surroundings(self) -> Surroundings:
        policies, namespaces = tuple(self._policies.values.values()), dict(self._namespaces.values.values())
        return Surroundings(policies, namespaces, dict(self.workloads.values))

    def _group_workloads(self) -> Groups:
        groups: dict[str, list[Labels]] = defaultdict(list)
        for namespace, labels in self.workloads.values.values():
            groups[namespace].append(labels)
        return groups

    def _status_of(self, policy: Policy, groups: Groups) -> PolicyStatus:
        kind = NAMESPACED if policy.metadata.namespace else CLUSTER
        errors = self._errors_of(policy, kind)
        cannot_select = any(error.startswith(f"spec.{kind.selector}") for error in errors)
        matched = 0 if cannot_select else self._count(policy, policy.spec.get(kind.selector) or {}, groups)
        return make_status(policy, errors, matched, clock.now())

    def _errors_of(self, policy: Policy, kind: PolicyKind) -> tuple[str, ...]:
        """The errors of the spec, which is judged once."""
        judged = self._errors.get(policy.metadata.uid)
        if judged is None or judged[0] != policy.spec:
            judged = self._errors[policy.metadata.uid] = policy.spec, tuple(kind.find_errors(policy.spec))
        return judged[1]

    def _count(self, policy: Policy, selector: Mapping[str, Any], groups: Groups) -> int:
        """The number of workloads that the selector selects: by their own labels, or by those of their namespaces."""
        if home := policy.metadata.namespace:
            return sum(matches(selector, labels) for labels in groups.get(home, ()))
        namespaces = self._namespaces.values.values()
        return sum(len(groups.get(name, ())) for name, labels in namespaces if matches(selector, labels))

    async def _write(self, policy: Policy, status: PolicyStatus) -> None:
        namespace, name = policy.metadata.namespace, policy.metadata.name
        path = paths.policies(namespace) if namespace else paths.policies()
        try:
            await self.rest.patch(f"{path}/{name}/status", {"status": _replace(policy, status)}, MERGE_PATCH)
        except NotFound:  # deleted meanwhile, or its definition is an older one without status
            return
        except Permanent as error:
            self._report_once(policy, error)

    def _report_once(self, policy: Policy, error: Permanent) -> None:
        """Log a refusal once for each version of the policy."""
        meta = policy.metadata
        if self._refused.get(meta.uid) != meta.resource_version:
            self._refused[meta.uid] = meta.resource_version
            _log.error(
                "cannot write the status of a policy", namespace=meta.namespace, policy=meta.name, error=str(error)
            )


def _replace(policy: Policy, status: PolicyStatus) -> Object:
    """The merge patch that leaves this status and nothing else: fields that it no longer has are deleted."""
    return dict.fromkeys(policy.status) | status.to_object()
