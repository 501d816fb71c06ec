"""What people do to an incident: answer, suspend, cancel, delete."""

import time
from collections.abc import Callable

import pytest
from support import samples
from support.api import until
from support.recipes import NAME, applied, config_map, healed, restarted
from support.stage import Case, Scene

from prunella_workflows.model.errors import PrunellaError

OUTGROWN = {"SHOP_MEMORY_MIB": "90"}
ASK = {"approval": {"when": "Always"}}
LONG = {"verification": {"window": "60s", "timeout": "90s"}}
_LOOKED_AT_FOR = 5.0


def _phase(scene: Scene, phase: str, reason: str = "") -> None:
    scene.when(
        lambda status: status.get("phase") == phase and reason in ("", status.get("reason")), f"{phase} {reason}"
    )


def _untouched(scene: Scene) -> None:
    """Nothing is written now, and not a moment later either."""
    time.sleep(_LOOKED_AT_FOR)
    assert not scene.attempted()
    assert scene.live()["spec"] == scene.broken["spec"]


def _cancel(scene: Scene) -> None:
    _phase(scene, "Verifying")
    scene.api.patch(scene.incident_path(), {"metadata": {"annotations": {"prunella.dev/cancel": "true"}}})


def _delete(scene: Scene) -> None:
    """The owner mends the data by hand, wants to be left alone from now on, and deletes the incident as done."""
    _phase(scene, "Verifying")
    until(lambda: _serves(scene), 60, "the repair is rolled out")
    config_map(scene)
    scene.api.patch(scene.path, {"metadata": {"labels": {"prunella.dev/ignore": "true"}}})
    scene.api.delete(scene.incident_path())


def _serves(scene: Scene) -> bool:
    """Only pods of the repaired template are left, and they serve: nothing shows the old fault any more."""
    status = scene.live()["status"]
    return [status.get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")] == [1, 1, 1]


def _answer(decision: str) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        _phase(scene, "AwaitingApproval", "ApprovalNeeded")
        _untouched(scene)
        other = {"Approved": "Rejected", "Rejected": "Approved"}[decision]
        scene.api.patch(scene.incident_path(), {"spec": {"approval": {"decision": decision, "by": "alice"}}})
        with pytest.raises(PrunellaError, match="approval"):
            scene.api.patch(scene.incident_path(), {"spec": {"approval": {"decision": other, "by": "alice"}}})

    return act


def _suspended(scene: Scene) -> None:
    """A person reports the fault, and does not want it repaired yet."""
    (one,) = samples.load("dry-run", "incident.yaml", scene.namespace)
    one["metadata"]["generateName"] = "by-hand-"
    target = {**one["spec"]["target"], "name": NAME}
    one["spec"] = {"target": target, "type": "OOMKilled", "suspend": True}
    scene.api.apply(one)
    restarted(**OUTGROWN)(scene)


def _resume(scene: Scene) -> None:
    _phase(scene, "Diagnosing", "Suspended")
    _untouched(scene)
    scene.api.patch(scene.incident_path(), {"spec": {"suspend": False}})


def _grown(name: str, then: Callable[[Scene], None], **more: object) -> Case:
    values: dict[str, object] = {"then": then, **more}
    return healed(name, applied(), values.pop("breaks", restarted(**OUTGROWN)), "pod_oom_killed", **values)


CASES = (
    _grown("cancelled", _cancel, phase="Cancelled", reason="Cancelled", writes=2, policy=LONG),
    _grown("incident-deleted", _delete, phase=None, reason="", writes=2, incidents=0, policy=LONG),
    _grown("approved", _answer("Approved"), policy=ASK),
    _grown("rejected", _answer("Rejected"), phase="Escalated", reason="Rejected", writes=0, policy=ASK),
    _grown("suspended", _resume, breaks=_suspended),
)
