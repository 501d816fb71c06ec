"""One run of a case with Prunella, in its own namespace. `runner.py` runs many of them."""

import os
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any, Protocol

import yaml
from support import samples
from support.api import Object, until
from support.audit import Write
from support.cases.case import Case, Stage
from support.cluster import Cluster

from prunella_operator import clock
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_workflows.model.labels import CHANGE_CAUSE

CLOSED = frozenset({"Healed", "Recovered", "Escalated", "DryRunDone", "Suppressed", "Cancelled", "Failed"})
_OPENED_WITHIN = 150.0
_CLOSED_WITHIN = 360.0
_SNAPSHOT = "prunella.dev/snapshot=known-good"
LAST_ACTION = "prunella.dev/last-action"
_CHANGE_CAUSE = "/metadata/annotations/kubernetes.io~1change-cause"
CASE_LABELS = {"prunella-tests-stage": "e2e"}
BUILT_IN = os.environ.get("PRUNELLA_TEST_BUILT_IN") == "1"
"""Use Prunella's defaults: the default settings, and a policy only for a case that needs one."""
_SETTLED_FOR = timedelta(seconds=33 if BUILT_IN else 6)


class Prunella(Protocol):
    """The Prunella of a run: processes of this machine, or pods."""

    @property
    def settings(self) -> Mapping[str, object]:
        """Its settings by name."""

    def tail(self) -> str:
        """The end of its logs."""

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        """Yield the parts of a failed test's report."""


class CaseRun(Stage):
    """One run of a case with Prunella, in its namespace."""

    def __init__(
        self, case: Case, cluster: Cluster, prunella: Prunella, users: tuple[str, ...], namespace: str
    ) -> None:
        super().__init__(case, cluster, namespace, CASE_LABELS)
        self.earlier: frozenset[str] = frozenset()
        """Incidents of a start that took long on a busy machine; they are over."""
        self.error: BaseException | None = None
        """The error that stopped the run."""
        self._left: tuple[Object, list[Object]] | None = None
        """The workload and its pods as they were when they were retired."""
        self.prunella = prunella
        self._users = users

    def live(self) -> Object:
        """The workload as it is now, or was when it was retired."""
        return deepcopy(self._left[0]) if self._left else super().live()

    def live_pods(self) -> list[Object]:
        """The live pods of the namespace as they are now, or were when the workload was retired."""
        return deepcopy(self._left[1]) if self._left else list(self.api.pods(self.namespace))

    def retire(self) -> None:
        """Scale a workload that serves again to zero: the probes of hundreds of such pods would slow the other cases.

        Those that are still broken stay: nothing more may be written to them.
        """
        if self.error is None and self._serves_alone():
            self._left = self.live(), self.live_pods()
            self.api.patch(self.path, {"spec": {"replicas": 0}})

    def _serves_alone(self) -> bool:
        """Check that the case is over, its workload serves, and no other in the namespace could miss it."""
        if self.case.phase not in ("Healed", "Recovered") or self.case.kind not in ("Deployment", "StatefulSet"):
            return False
        workloads = [
            workload
            for resource in ("deployments", "statefulsets", "daemonsets")
            for workload in self.api.items(f"/apis/apps/v1/namespaces/{self.namespace}/{resource}")
        ]
        sole = [workload["metadata"]["name"] for workload in workloads] == [self.case.workload]
        return sole and all(_is_over(incident) for incident in self.incidents())

    def prepare(self, *policies: Object) -> None:
        """Make the namespace, the case's policy, and what is healthy."""
        case = self.case
        if case.policy is not None and (case.policy or not BUILT_IN):
            policies = (*policies, samples.policy(self.namespace, **case.policy))
        super().prepare(*policies)

    def is_good(self) -> bool:
        """Check that Prunella knows the healthy template, or, if it records none, that its pods were ready so long."""
        if self.case.unrecorded:
            return self._settled()
        path = f"/apis/apps/v1/namespaces/{self.namespace}/controllerrevisions"
        kept = self.api.items(path, labelSelector=_SNAPSHOT)
        return any(item["metadata"]["name"].startswith(f"{self.case.workload}-prunella-") for item in kept)

    def _settled(self) -> bool:
        """Check that all pods are there, and have been ready for longer than a template needs to be known as good."""
        pods = [pod_view(pod) for pod in self.api.pods(self.namespace)]
        since = [pod.ready_since for pod in pods if pod.ready and pod.ready_since]
        complete = len(pods) == len(since) == self.live()["spec"]["replicas"]
        return complete and clock.now() - max(since) > _SETTLED_FOR

    def break_it(self) -> None:
        """Break it once every incident of its start is over."""
        until(
            lambda: all(_is_over(incident) for incident in self.incidents()),
            _CLOSED_WITHIN,
            "nothing is wrong yet",
            every=1.0,
        )
        self.earlier = frozenset(incident["metadata"]["name"] for incident in self.incidents())
        super().break_it()

    def incidents(self) -> list[Object]:
        """All incidents of the namespace since it was broken, oldest first."""
        everything = self.api.incidents(self.namespace)
        found = [incident for incident in everything if incident["metadata"]["name"] not in self.earlier]
        return sorted(found, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))

    def subject(self) -> Object | None:
        """The incident that this case is about: the one made by hand, where there is one."""
        found = self.incidents()
        by_hand = [item for item in found if "prunella.dev/source" not in (item["metadata"].get("labels") or {})]
        return next(iter([*by_hand, *found][self.case.about :]), None)

    def opened(self) -> Object:
        """The incident, as soon as there is one."""
        return until(self.subject, _OPENED_WITHIN, f"an incident in {self.namespace}")

    def closed(self) -> Object:
        """The incident, once it is over."""
        return self.when(self._is_end, f"an incident in {self.namespace} is closed")

    def _is_end(self, status: Object) -> bool:
        """Check that it is closed, or in the exact state that a case with an open incident expects."""
        if self.case.phase in CLOSED:
            return status.get("phase") in CLOSED
        return self.case.ends_as(status.get("phase"), status.get("reason", ""))

    def when(self, condition: Callable[[Object], Any], what: str, seconds: float = _CLOSED_WITHIN) -> Object:
        """The incident, once its status fulfils the condition."""
        path = self.incident_path()

        def fulfilled() -> Object | None:
            incident = self.api.get(path)
            return incident if condition(incident.get("status") or {}) else None

        return until(fulfilled, seconds, what, every=0.5)

    def incident_path(self) -> str:
        """Wait for the incident and return its path."""
        name = self.opened()["metadata"]["name"]
        return f"/apis/prunella.dev/v1alpha1/namespaces/{self.namespace}/incidents/{name}"

    def attempted(self) -> list[Write]:
        """Every write to the owner's objects here that Prunella tried, granted or not. Needs the audit log."""
        return [write for write in self._writes() if write.of_a_user]

    def _writes(self) -> list[Write]:
        """All writes of Prunella's accounts here, in order. Needs the audit log."""
        assert self.cluster.audit is not None
        found = [write for user in self._users for write in self.cluster.audit.writes(user, self.namespace)]
        return sorted(found, key=lambda write: write.at)

    def snapshots(self) -> list[Write]:
        """Prunella's writes of its own snapshots. Needs the audit log."""
        return [write for write in self._writes() if write.resource == "apps/controllerrevisions"]

    def assert_written(self, times: int) -> None:
        """Assert that Prunella made that many writes, only to the workload; from the audit log if there is one."""
        if self.cluster.audit is None:
            marked = self.case.workload and LAST_ACTION in (self.live()["metadata"].get("annotations") or {})
            assert bool(marked) == bool(times)
            return
        self._assert_audited()
        attempted = self.attempted()
        assert not self.unsafe(), f"Prunella made unsafe writes: {self.unsafe()}"
        made = [write for write in attempted if write.made and write.verb != "delete"]
        assert len(made) == times, f"expected {times} writes, the audit log has {made or 'none'}"
        deleted = [write for write in attempted if write.made and write.verb == "delete"]
        wanted = range(self.case.deletes - self.case.spared, self.case.deletes + 1)
        assert len(deleted) in wanted, f"expected {self.case.deletes} pods deleted: {deleted or 'none'}"
        if not times and not self.case.refused:
            assert not attempted, f"nothing was to be written, but it was tried: {attempted}"

    def unsafe(self) -> list[Write]:
        """Writes that no case wants: to other objects, to more than a template, deletions that any pod may meet."""
        wanted = (self._is_repair, self._is_deletion, self._is_resize, self._is_eviction)
        return [write for write in self.attempted() if not any(known(write) for known in wanted)]

    def _is_repair(self, write: Write) -> bool:
        """A patch of the workload's template and of its annotations by us, with preconditions on what was diagnosed."""
        ours = write.name in (self.case.workload, *self.case.beside)
        if not ours or (write.verb, write.resource) != ("patch", f"apps/{self.resource}s"):
            return False
        tested = {step["path"] for step in write.request if step["op"] == "test"}
        inside = all(self._is_ours(step) for step in write.request if step["op"] != "test")
        return inside and {"/metadata/uid", "/metadata/generation"} <= tested

    def _is_ours(self, step: Object) -> bool:
        """A change of the template or of our annotations. The revision's cause names us, or is the owner's again."""
        path = step["path"]
        if path == _CHANGE_CAUSE:
            owners = (self.broken["metadata"].get("annotations") or {}).get(CHANGE_CAUSE, "")
            return step["value"] == owners or step["value"].startswith("Prunella: ")
        return path.startswith(("/spec/template", "/metadata/annotations/prunella.dev~1")) or (
            path == "/metadata/annotations"
        )

    def _is_resize(self, write: Write) -> bool:
        """A change of a container's memory in a running pod of the workload, by uid and from a known limit."""
        if (write.verb, write.resource) != ("patch", "/pods/resize") or not write.name.startswith(self.case.workload):
            return False
        changes = [step["path"] for step in write.request if step["op"] != "test"]
        tested = {step["path"].rpartition("/")[2] for step in write.request if step["op"] == "test"}
        inside = all(path.startswith("/spec/containers/") and path.endswith("s/memory") for path in changes)
        return inside and {"uid", "name", "memory"} <= tested

    def _is_deletion(self, write: Write) -> bool:
        """The deletion, by uid, of a pod that a StatefulSet waits for."""
        ours = write.name.startswith(f"{self.case.workload}-") and self.case.kind == "StatefulSet"
        uid = ((write.request or {}).get("preconditions") or {}).get("uid") if isinstance(write.request, dict) else ""
        return (write.verb, write.resource) == ("delete", "/pods") and ours and bool(uid)

    def _is_eviction(self, write: Write) -> bool:
        """The eviction, by uid, of a pod of the workload."""
        options = (write.request or {}).get("deleteOptions") or {} if isinstance(write.request, dict) else {}
        ours = write.name.startswith(f"{self.case.workload}-") and bool((options.get("preconditions") or {}).get("uid"))
        return (write.verb, write.resource) == ("create", "/pods/eviction") and ours

    def _assert_audited(self) -> None:
        """An audit log that shows nothing at all proves nothing: Prunella's reports must be in it."""
        reported = any(write.resource.startswith("prunella.dev/") for write in self._writes())
        assert reported or not self.case.incidents

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        """Yield the parts of a failed test's report."""
        for incident in self.incidents():
            incident["metadata"].pop("managedFields", None)
            yield f"incident {incident['metadata']['name']}", yaml.safe_dump(incident, sort_keys=False, width=140)
        if self.cluster.audit is not None:
            yield "Prunella's writes", "\n".join(map(str, self.attempted())) or "none"
        yield from self.prunella.diagnostics()


def _is_over(incident: Object) -> bool:
    return (incident.get("status") or {}).get("phase") in CLOSED
