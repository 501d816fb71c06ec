"""Actions of people on an incident: answer, suspend, cancel, delete."""

import time
from collections.abc import Callable

import pytest
from support import samples
from support.api import Object, until
from support.cases import builders as shop
from support.cases.run import Case, CaseRun

from prunella_workflows.model.errors import PrunellaError

OUTGROWN = {"SHOP_MEMORY_MIB": "90"}
ASK = {"approval": {"when": "Always"}}
LONG = {"verification": {"window": "60s", "timeout": "90s"}}
_LOOKED_AT_FOR = 5.0


def _phase(run: CaseRun, phase: str, reason: str = "") -> None:
    run.when(lambda status: status.get("phase") == phase and reason in ("", status.get("reason")), f"{phase} {reason}")


def _untouched(run: CaseRun) -> None:
    """Nothing is written now, and not a moment later either."""
    time.sleep(_LOOKED_AT_FOR)
    assert not run.attempted()
    assert run.live()["spec"] == run.broken["spec"]


def _cancel(run: CaseRun) -> None:
    _phase(run, "Verifying")
    run.api.patch(run.incident_path(), {"metadata": {"annotations": {"prunella.dev/cancel": "true"}}})


def _delete(run: CaseRun) -> None:
    """The owner fixes the data by hand, and deletes the incident."""
    _phase(run, "Verifying")
    until(lambda: _serves(run), 60, "the repair is rolled out")
    shop.config_map(run)
    run.api.delete(run.incident_path())


def _serves(run: CaseRun) -> bool:
    """Only pods of the repaired template are left, and they serve: nothing shows the old fault any more."""
    status = run.live()["status"]
    return [status.get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")] == [1, 1, 1]


def _approval(decision: str, by: str) -> Object:
    return {"spec": {"approval": {"decision": decision, "by": by}}}


def _answer(decision: str) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        _phase(run, "AwaitingApproval", "ApprovalNeeded")
        _untouched(run)
        other = {"Approved": "Rejected", "Rejected": "Approved"}[decision]
        path, person = run.incident_path(), run.api.user()
        with pytest.raises(PrunellaError, match="must be your own name"):
            run.api.patch(path, _approval(decision, "alice"))
        run.api.patch(path, _approval(decision, person))
        with pytest.raises(PrunellaError, match="approval"):
            run.api.patch(path, _approval(other, person))

    return act


def _suspended(run: CaseRun) -> None:
    """A person reports the fault, and does not want it repaired yet."""
    (incident,) = samples.load("dry-run", "incident.yaml", run.namespace)
    incident["metadata"]["generateName"] = "by-hand-"
    target = {**incident["spec"]["target"], "name": shop.NAME}
    incident["spec"] = {"target": target, "type": "OOMKilled", "suspend": True}
    run.api.apply(incident)
    shop.restarted(**OUTGROWN)(run)


def _resume(run: CaseRun) -> None:
    _phase(run, "Diagnosing", "Suspended")
    _untouched(run)
    run.api.patch(run.incident_path(), {"spec": {"suspend": False}})


def _grown(name: str, then: Callable[[CaseRun], None], **more: object) -> Case:
    values: dict[str, object] = {"then": then, **more}
    return shop.healed(
        name, shop.applied(), values.pop("breaks", shop.restarted(**OUTGROWN)), "pod_oom_killed", **values
    )


CASES = (
    _grown("cancelled", _cancel, phase="Cancelled", reason="Cancelled", writes=2, policy=LONG),
    _grown("incident-deleted", _delete, phase=None, reason="", writes=2, incidents=0, policy=LONG),
    _grown("approved", _answer("Approved"), policy=ASK),
    _grown("rejected", _answer("Rejected"), phase="Escalated", reason="Rejected", writes=0, policy=ASK),
    _grown("suspended", _resume, breaks=_suspended),
)
