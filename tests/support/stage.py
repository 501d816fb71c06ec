"""All cases at once: each has its namespace; everything healthy is made first, then everything breaks together.

A case is two functions. `before` makes what is healthy; `breaks` what is broken. The tests only wait for the ends.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import yaml
from support import samples
from support.api import Object, until
from support.audit import Write
from support.cluster import Cluster
from support.prunella import PrunellaProcess

CLOSED = frozenset({"Healed", "Recovered", "Escalated", "DryRunDone", "Suppressed", "Cancelled", "Failed"})
_GOOD_WITHIN = 180.0
_CLOSED_WITHIN = 240.0
_SNAPSHOT = "prunella.dev/snapshot=known-good"
LAST_ACTION = "prunella.dev/last-action"


@dataclass(frozen=True)
class Case:
    """One fault and what must become of it."""

    name: str
    workload: str
    before: Callable[["Scene"], None] | None
    breaks: Callable[["Scene"], None]
    phase: str | None
    """How its incident ends; None: there must not be one."""
    reason: str
    cause: str = ""
    writes: int = 0
    """How often Prunella writes to an object of the owner: each repair and each undo is one."""
    incidents: int = 1
    policy: dict[str, Any] | None = field(default_factory=dict)
    """Changes to the samples' policy; None: no policy at all."""
    sample: str | None = None


class Scene:
    """A case being played in its namespace."""

    def __init__(self, case: Case, cluster: Cluster, prunella: PrunellaProcess, user: str, namespace: str) -> None:
        self.case = case
        self.cluster = cluster
        self.api = cluster.api
        self.namespace = namespace
        self.first: Object = {}
        """The workload when it was healthy."""
        self.broken: Object = {}
        """The workload as its owner left it."""
        self._prunella = prunella
        self._user = user

    def load(self, file: str, sample: str | None = None) -> list[Object]:
        """The objects of one of the sample's files, in this namespace."""
        return samples.load(sample or self.case.sample or self.case.name, file, self.namespace)

    @property
    def path(self) -> str:
        """The workload's path."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.case.workload}"

    def live(self) -> Object:
        """The workload as it is now."""
        return self.api.get(self.path)

    def prepare(self) -> None:
        """Make the namespace, its policy, and what is healthy."""
        case = self.case
        self.api.apply(samples.namespace_of(case.sample or case.name, self.namespace, {"prunella-tests": case.name}))
        if case.policy is not None:
            self.api.apply(samples.policy(self.namespace, **case.policy))
        if case.before:
            case.before(self)

    def is_good(self) -> bool:
        """Whether Prunella knows the healthy template; where it must look away, whether the workload is healthy."""
        if not self.case.incidents:
            status, wanted = self.live().get("status") or {}, self.live()["spec"]["replicas"]
            return (status.get("readyReplicas"), status.get("updatedReplicas")) == (wanted, wanted)
        path = f"/apis/apps/v1/namespaces/{self.namespace}/controllerrevisions"
        kept = self.api.items(path, labelSelector=_SNAPSHOT)
        return any(one["metadata"]["name"].startswith(f"{self.case.workload}-prunella-") for one in kept)

    def break_it(self) -> None:
        """Break it, and remember what the owner wished for."""
        if self.case.before and self.case.workload:
            self.first = self.live()
        self.case.breaks(self)
        if self.case.workload:
            self.broken = self.live()

    def incidents(self) -> list[Object]:
        """All incidents of the namespace, oldest first."""
        found = self.api.incidents(self.namespace)
        return sorted(found, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))

    def subject(self) -> Object | None:
        """The incident that this case is about: the one made by hand, where there is one."""
        found = self.incidents()
        by_hand = [one for one in found if "prunella.dev/source" not in (one["metadata"].get("labels") or {})]
        return next(iter([*by_hand, *found]), None)

    def opened(self) -> Object:
        """The incident, as soon as there is one."""
        return until(self.subject, 90, f"an incident in {self.namespace}")

    def closed(self) -> Object:
        """The incident, once it is over."""
        name = self.opened()["metadata"]["name"]
        path = f"/apis/prunella.dev/v1alpha1/namespaces/{self.namespace}/incidents/{name}"

        def over() -> Object | None:
            incident = self.api.get(path)
            return incident if (incident.get("status") or {}).get("phase") in CLOSED else None

        return until(over, _CLOSED_WITHIN, f"incident {self.namespace}/{name} is closed", every=0.5)

    def attempted(self) -> list[Write]:
        """Every write to the owner's objects here that Prunella tried, granted or not. Needs the audit log."""
        assert self.cluster.audit is not None
        return [one for one in self.cluster.audit.writes(self._user, self.namespace) if one.of_a_user]

    def snapshots(self) -> list[Write]:
        """Prunella's writes of its own snapshots. Needs the audit log."""
        assert self.cluster.audit is not None
        everything = self.cluster.audit.writes(self._user, self.namespace)
        return [one for one in everything if one.resource == "apps/controllerrevisions"]

    def assert_written(self, times: int) -> None:
        """Prunella wrote so often, only to the workload; judged from the audit log where there is one."""
        if self.cluster.audit is None:
            marked = self.case.workload and LAST_ACTION in (self.live()["metadata"].get("annotations") or {})
            assert bool(marked) == bool(times)
            return
        self._assert_audited()
        attempted = self.attempted()
        wrong = [one for one in attempted if (one.resource, one.name) != ("apps/deployments", self.case.workload)]
        assert not wrong, f"Prunella wrote to objects that are not the patient: {wrong}"
        made = [one for one in attempted if one.made]
        assert len(made) == times, f"expected {times} writes, the audit log has {made or 'none'}"
        if not times:
            assert not attempted, f"nothing was to be written, but it was tried: {attempted}"

    def _assert_audited(self) -> None:
        """An audit log that shows nothing at all proves nothing: Prunella's reports must be in it."""
        assert self.cluster.audit is not None
        everything = self.cluster.audit.writes(self._user, self.namespace)
        assert any(one.resource.startswith("prunella.dev/") for one in everything) or not self.case.incidents

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        """What a failed test's report shows."""
        for one in self.incidents():
            one["metadata"].pop("managedFields", None)
            yield f"incident {one['metadata']['name']}", yaml.safe_dump(one, sort_keys=False, width=140)
        if self.cluster.audit is not None:
            yield "Prunella's writes", "\n".join(map(str, self.attempted())) or "none"
        yield from self._prunella.diagnostics()


class Stage:
    """Plays cases together."""

    def __init__(self, scenes: Iterable[Scene], prunella: PrunellaProcess, say: Callable[[str], None]) -> None:
        self._prunella = prunella
        self.scenes = {one.case.name: one for one in scenes}
        self._say = say
        self._began = time.monotonic()
        self.error: Exception | None = None
        """Why the play could not be given."""

    def play(self) -> None:
        """Make everything healthy, wait until Prunella knows it, break everything."""
        try:
            self._play(list(self.scenes.values()))
        except Exception as error:  # noqa: BLE001 - told in full once, and in a word by every other test
            error.add_note(self._prunella.tail())
            self.error = error

    def _play(self, scenes: list[Scene]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(Scene.prepare, scenes))
            self._tell(f"{len(scenes)} cases prepared")
            waiting = [one for one in scenes if one.case.before]
            try:
                until(lambda: self._good(waiting), _GOOD_WITHIN, "Prunella knows every healthy template", every=1.0)
            except AssertionError as error:
                error.add_note(f"still unknown: {', '.join(one.case.name for one in waiting)}")
                raise
            self._tell("all are healthy, and known to be")
            list(pool.map(Scene.break_it, scenes))
        self._tell("all are broken")

    @staticmethod
    def _good(waiting: list[Scene]) -> bool:
        waiting[:] = [one for one in waiting if not one.is_good()]
        return not waiting

    def settle(self) -> None:
        """Wait until everything is over, and a little longer."""
        for one in self.scenes.values():
            if one.case.phase:
                one.closed()
        self._tell("all incidents are closed")

    def clear(self) -> None:
        """Delete the namespaces; their going is not waited for."""
        for one in self.scenes.values():
            one.api.delete(f"/api/v1/namespaces/{one.namespace}")

    def _tell(self, what: str) -> None:
        self._say(f"e2e: {what} ({time.monotonic() - self._began:.0f} s)")
