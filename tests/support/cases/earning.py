"""Earned autonomy, played on one workload: its data outgrow its memory again and again, and people do what they may.

The bars are as low as a policy may set them, so that one success leads to Approval and two lead to Heal.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from support.api import Object, until
from support.cases import builders as shop
from support.cases.aftermaths import PEOPLE_NEED_SECONDS, recorded_aftermaths
from support.cases.run import CLOSED, Case, CaseRun
from support.cluster import Cluster
from support.prunella import SeparateProcesses

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.track_records import NAMESPACE, TrackRecords, name_of
from prunella_operator.kubernetes.views.templates import template_hash, template_of
from prunella_workflows.model.autonomy import ActionRecord
from prunella_workflows.model.workload import WorkloadRef

ACTION = "SetMemory"
_POLICY: dict[str, Any] = {
    "autonomy": {"enabled": True, "confidence": 0.8, "approvalAbove": 0.1, "healAbove": 0.2},
    "limits": {"memoryMax": "1Gi", "memoryFactor": 1.1, "memoryMinStep": "64Mi"},
}
_HOLD = timedelta(seconds=15)
"""Health that counts, instead of 30 minutes."""
_SHOWN_WITHIN = 90.0
"""The operator reads the records once a minute."""
_OPENED_WITHIN = 150.0
_CLOSED_WITHIN = 240.0


@dataclass(frozen=True)
class Seen:
    """The state after a round: its incident, the record, the entry in the policy's status, and Prunella's writes."""

    status: Object
    record: ActionRecord
    shown: Object
    writes: int


def _grown(need: str) -> Any:
    """Data that need so many MiB, read by the next pod."""

    def act(run: CaseRun) -> None:
        shop.config_map(run, SHOP_MEMORY_MIB=need)
        shop.drop_pod(run)

    return act


_TOO_LARGE = shop.applied(shop.without_data, shop.env(SHOP_MEMORY_MIB="90"))
"""A first release that reads no data: who gives data readers more memory may have corrected the data before."""
CASE = Case(
    "earned-autonomy", shop.NAME, None, _TOO_LARGE, "DryRunDone", "NotEarned", policy=_POLICY, sample=shop.SAMPLE
)


class EarningRun(CaseRun):
    """One workload, from its first fault to the demotion of its repair. Each round leaves a `Seen`."""

    def __init__(self, cluster: Cluster, prunella: SeparateProcesses, users: tuple[str, ...], namespace: str) -> None:
        super().__init__(CASE, cluster, prunella, users, namespace)
        self._processes = prunella
        self._records = TrackRecords(SyncClient(load_access(str(cluster.kubeconfig), cluster.context)))
        self._earlier: set[str] = set()
        self._policy = f"{paths.policies(namespace)}/shop"

    def observed(self) -> Seen:
        """At Observe: the plan is shown, and a person makes the same change."""
        self.prepare()
        self.break_it()
        incident = self._next_incident()
        self._until_phase(incident, "DryRunDone")
        time.sleep(PEOPLE_NEED_SECONDS)
        with recorded_aftermaths(self.cluster, self._processes, [self.namespace], _HOLD):
            self._raise_by_hand("128Mi")
            until(lambda: self._status(incident).get("aftermath"), _CLOSED_WITHIN, "it is judged", every=1.0)
        return self._seen(incident, "Approval")

    def approved(self) -> Seen:
        """At Approval: a person is asked, and agrees. What it needs is a matter of its data from now on."""
        self._release(2, "128Mi", "90")
        incident = self._outgrown("150")
        self._approve(incident, writes=0)
        return self._seen(incident, "Heal")

    def restarted(self) -> Seen:
        """Operator and worker end, and begin again."""
        incident = self._newest()
        for process in (self._processes.operator, self._processes.worker):
            process.stop()
        for process in (self._processes.operator, self._processes.worker):
            process.start()
            process.wait_ready()
        return self._seen(incident, "Heal")

    def capped(self) -> Seen:
        """The owner releases what was raised, and the policy only observes."""
        self._release(3, "192Mi", "150")
        self.api.patch(self._policy, {"spec": {"mode": "Observe"}})
        incident = self._outgrown("220")
        self._until_phase(incident, "DryRunDone")
        return self._seen(incident, "Observe")

    def healed(self) -> Seen:
        """At Heal: the policy permits repairs again, and the next crash is repaired without a person."""
        self.api.patch(self._policy, {"spec": {"mode": "Heal"}})
        incident = self._next_incident()
        self._until_phase(incident, "Healed")
        return self._seen(incident, "Heal")

    def failed(self) -> Seen:
        """One raise is not enough and undone: the next step of the same incident asks a person already."""
        self._release(4, "256Mi", "220")
        before = len(self._made())
        incident = self._outgrown("345")
        self._approve(incident, writes=before + 2)
        return self._seen(incident, "Approval")

    def relapsed(self) -> Seen:
        """The data outgrow that repair as well: it did not last, and what is left to do was never earned."""
        incident = self._outgrown("420")
        self._until_phase(incident, "Escalated")
        return self._seen(incident, "Observe")

    def clear(self) -> None:
        """Delete the namespace and the record."""
        if self.broken:
            self.api.delete(paths.track_records(NAMESPACE, name_of(self._ref)))
        super().clear()

    @property
    def _ref(self) -> WorkloadRef:
        meta = self.broken["metadata"]
        return WorkloadRef(kind="Deployment", namespace=self.namespace, name=meta["name"], uid=meta["uid"])

    def _outgrown(self, need: str) -> str:
        _grown(need)(self)
        return self._next_incident()

    def _release(self, number: int, memory: str, need: str) -> None:
        """A release of the owner with the memory that was given."""
        self.api.apply(*shop.app(self, shop.release(number), shop.memory(memory), SHOP_MEMORY_MIB=need))
        self._await_good()

    def _await_good(self) -> None:
        """Wait until Prunella knows the template of now as good."""
        until(self._is_known, _CLOSED_WITHIN, "the template is known as good", every=1.0)

    def _is_known(self) -> bool:
        name = f"{self.case.workload}-prunella-{template_hash(template_of(self.live()))}"
        found = self.api.find(paths.snapshots(self.namespace, name)) or {"metadata": {}}
        return (found["metadata"].get("labels") or {}).get("prunella.dev/snapshot") == "known-good"

    def _raise_by_hand(self, limit: str) -> None:
        target, memory = f"deployment/{self.case.workload}", f"--limits=memory={limit}"
        self.cluster.kubectl("-n", self.namespace, "set", "resources", target, "-c=server", memory)

    def _approve(self, incident: str, writes: int) -> None:
        """Agree to what it asks, before which there are so many writes, and wait for its end."""
        self._until_phase(incident, "AwaitingApproval")
        assert len(self._made()) == writes
        answer = {"decision": "Approved", "by": self.api.user()}
        self.api.patch(paths.incidents(self.namespace, incident), {"spec": {"approval": answer}})
        self._until_phase(incident, "Healed")

    def _next_incident(self) -> str:
        """The name of the next incident, once it is opened."""
        name = until(self._unseen, _OPENED_WITHIN, "an incident is opened")
        self._earlier.add(name)
        return name

    def _unseen(self) -> str:
        names = [incident["metadata"]["name"] for incident in self.incidents()]
        return next((name for name in names if name not in self._earlier), "")

    def _newest(self) -> str:
        return str(self.incidents()[-1]["metadata"]["name"])

    def _until_phase(self, incident: str, phase: str) -> None:
        def reached() -> bool:
            found = self._status(incident).get("phase")
            assert found == phase or found not in CLOSED, self._status(incident)
            return bool(found == phase)

        until(reached, _CLOSED_WITHIN, f"{incident} is {phase}", every=0.5)

    def _status(self, incident: str) -> Object:
        return self.api.get(paths.incidents(self.namespace, incident)).get("status") or {}

    def _made(self) -> list[Any]:
        """The writes to the owner's objects that were granted."""
        return [write for write in self.attempted() if write.made]

    def _seen(self, incident: str, level: str) -> Seen:
        """The state, once the policy's status shows this level."""
        shown = until(lambda: self._shown(level), _SHOWN_WITHIN, f"the policy shows {level}", every=1.0)
        record = self._records.read(self._ref).actions[ACTION]
        return Seen(self._status(incident), record, shown, len(self._made()))

    def _shown(self, level: str) -> Object | None:
        entries = (self.api.get(self._policy).get("status") or {}).get("autonomy") or ()
        return next((entry for entry in entries if (entry["action"], entry["level"]) == (ACTION, level)), None)
