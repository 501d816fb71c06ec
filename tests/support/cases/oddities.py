"""Odd releases, and repairs in odd circumstances: all of them end well."""

import time
from collections.abc import Callable
from typing import Any

from support import samples
from support.api import Object
from support.cases import builders as shop
from support.cases.memory import UNTERMINATED
from support.cases.run import Case, CaseRun

from prunella_operator.kubernetes.views.templates import template_hash, template_of

_SURGE = shop.spec(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
_FIELD = {"name": "CPU", "valueFrom": {"resourceFieldRef": {"containerName": "missing", "resource": "limits.cpu"}}}
_ROOT = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "runAsUser": 0,
}
_NAME = ".".join(["recommendations-of-a-team-that-likes-long-names"] * 3)
_LONG = {"verification": {"window": "20s", "timeout": "90s"}}


def _beside(obj: Object) -> None:
    """Another container, which needs more memory than it has."""
    main = samples.container(obj)
    kept = {key: value for key, value in main.items() if key not in {"ports", "readinessProbe", "envFrom"}}
    more = [{"name": "SHOP_PORT", "value": "8081"}, {"name": "SHOP_MEMORY_MIB", "value": "90"}]
    shop.pod_spec(obj)["containers"].append({**kept, "name": "cache", "env": more})


_WATCHED: tuple[shop.Edit, ...] = (
    shop.second("containers", env=[{"name": "SHOP_PORT", "value": "8081"}]),
    shop.env(SHOP_IGNORE_SIGTERM="true"),
    shop.probe("livenessProbe", httpGet={"path": "/healthz", "port": 8081}, initialDelaySeconds=5, timeoutSeconds=5),
    shop.pods(terminationGracePeriodSeconds=1),
)
"""The server is killed (137, and no OOM) whenever its neighbour is away."""


def _named(*edits: shop.Edit) -> Callable[[CaseRun], None]:
    """The same under a name that is longer than a label may be, and has dots."""
    return shop.applied(*edits, lambda edit: edit["metadata"].update(name=_NAME))


def _lenient(run: CaseRun) -> None:
    """Only the kubelet objects to root here."""
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    run.api.patch(f"/api/v1/namespaces/{run.namespace}", {"metadata": {"labels": labels}})
    shop.applied()(run)


def _said_to_be_oom(run: CaseRun) -> None:
    """137 by a liveness probe, and a person who takes it for a lack of memory."""
    (incident,) = samples.load("dry-run", "incident.yaml", run.namespace)
    incident["metadata"]["generateName"] = "by-hand-"
    target = {**incident["spec"]["target"], "name": shop.NAME}
    incident["spec"] = {"target": target, "type": "OOMKilled", "containerName": "server"}
    shop.applied(*UNTERMINATED)(run)
    run.api.apply(incident)


def _forged(run: CaseRun) -> None:
    """Annotations that came with a copy of another object's manifest, and an unreadable time."""
    shop.applied(shop.bad())(run)
    current = template_hash(template_of(run.live()))
    marks = {
        "prunella.dev/last-action": "someone-1",
        "prunella.dev/last-action-at": "yesterday",
        "prunella.dev/before": f"{shop.NAME}-prunella-{current}",
        "prunella.dev/after": "nothing",
    }
    run.api.patch(run.path, {"metadata": {"annotations": marks}})


def _scaled_meanwhile(run: CaseRun) -> None:
    run.when(lambda status: status.get("phase") == "Verifying", "it is being verified")
    run.api.patch(f"{run.path}/scale", {"spec": {"replicas": 2}})


def _restless(run: CaseRun) -> None:
    """Another controller sets the replicas, several times a second."""
    for step in range(60):
        run.api.patch(f"{run.path}/scale", {"spec": {"replicas": 1 + step % 2}})
        time.sleep(0.3)


def _bad(name: str, *edits: shop.Edit, good: tuple[shop.Edit, ...] = (), **more: Any) -> Case:
    breaks: Callable[[CaseRun], None] = more.pop("breaks", None) or shop.applied(*good, shop.release(2), *edits)
    return shop.rolled_back(name, more.pop("before", shop.applied(*good)), breaks, **more)


CASES = (
    _bad("crashes-late", shop.env(SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="40s"), reason="Stable"),
    _bad("gate-never-opened", shop.pods(readinessGates=[{"conditionType": "shop.example.org/open"}]), shop.deadline()),
    _bad("wrong-hook", shop.server(lifecycle={"postStart": {"exec": {"command": ["/no/such/program"]}}})),
    Case(
        "long-name",
        _NAME,
        _named(),
        _named(shop.bad()),
        "Healed",
        shop.SERVED,
        cause="bad_release",
        writes=1,
        sample=shop.SAMPLE,
    ),
    _bad("as-root", shop.server(securityContext=_ROOT), before=_lenient),
    _bad("wrong-field", shop.server(env=[_FIELD])),
    _bad("no-such-priority", shop.pods(priorityClassName="missing")),
    _bad("oom-and-image", _beside, shop.server(image="prunella.local/none:1"), cause="pod_oom_killed"),
    _bad("said-to-be-oom", breaks=_said_to_be_oom),
    _bad("forged-marks", breaks=_forged),
    _bad("scaled-meanwhile", breaks=shop.applied(shop.bad()), then=_scaled_meanwhile, policy=_LONG, reason="Stable"),
    _bad("restless", breaks=shop.applied(shop.bad()), then=_restless, reason=""),
    _bad("daemon-surge", breaks=shop.applied(shop.bad(), _SURGE), good=(_SURGE,), kind="DaemonSet"),
    shop.healed(
        "oom-drags-another", shop.applied(*_WATCHED), shop.restarted(*_WATCHED, SHOP_MEMORY_MIB="90"), "pod_oom_killed"
    ),
)
