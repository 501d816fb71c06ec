"""Small causes: exit codes that mislead, autoscalers that cannot act, releases that were good for a moment only."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from support.api import Object, until
from support.cases import builders as shop
from support.cases.patience import rolled_out
from support.cases.run import CaseRun

from prunella_operator import clock

_TWO = shop.replicas(2)
_KILLED = {"SHOP_EXIT_CODE": "137", "SHOP_EXIT_AFTER": "0s"}
_CALM = 15.0
"""Seconds: shorter than the time after which a template counts as good by watching alone."""


def _healthy_for_a_moment(run: CaseRun) -> None:
    """The first release there is, good for some seconds only before a bad one."""
    rolled_out(run)
    until(lambda: _ready_for(run) >= _CALM, 60, "it was healthy for a moment")
    shop.applied(shop.bad())(run)


def _ready_for(run: CaseRun) -> float:
    conditions = {item["type"]: item for item in run.live()["status"].get("conditions", ())}
    available = conditions.get("Available") or {}
    if available.get("status") != "True":
        return 0.0
    return (clock.now() - datetime.fromisoformat(available["lastTransitionTime"])).total_seconds()


def _second_good(run: CaseRun) -> None:
    """Two good releases, and then a bad one: the later of them is gone back to."""
    rolled_out(run, shop.release(2), shop.env(SHOP_RELEASE="second"))
    until(lambda: _kept(run) >= 2, 90, "both are known to be good", every=1)
    shop.applied(shop.bad(3), shop.env(SHOP_RELEASE="third"))(run)


def _kept(run: CaseRun) -> int:
    path = f"/apis/apps/v1/namespaces/{run.namespace}/controllerrevisions"
    names = [item["metadata"]["name"] for item in run.api.items(path)]
    return sum(name.startswith(f"{shop.NAME}-prunella-") for name in names)


def _scaler(minimum: int, maximum: int) -> Callable[[CaseRun], None]:
    """An autoscaler without measurements, as this cluster has none."""

    def act(run: CaseRun) -> None:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": shop.NAME}
        meta = {"name": shop.NAME, "namespace": run.namespace}
        wish = {"scaleTargetRef": target, "minReplicas": minimum, "maxReplicas": maximum}
        path = f"/apis/autoscaling/v2/namespaces/{run.namespace}/horizontalpodautoscalers/{shop.NAME}"
        run.api.apply(
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": wish}
        )
        until(lambda: run.api.get(path).get("status", {}).get("conditions"), 60, "the autoscaler has tried")

    return act


def _cannot_write(obj: Object) -> None:
    """It keeps a file on a root file system that is read-only."""
    shop.env(SHOP_EXIT_CODE="0", SHOP_EXIT_TIMES="1", SHOP_STATE_DIR="/")(obj)


def _bad(name: str, *edits: shop.Edit, **more: Any) -> Any:
    return shop.rolled_back(name, shop.applied(), shop.applied(shop.release(2), *edits), **more)


CASES = (
    _bad("exits-137", shop.env(**_KILLED)),
    shop.escalated(
        "exits-137-by-its-data",
        shop.applied(_TWO),
        shop.restarted(_TWO, **_KILLED),
        "InnocentRelease",
        "environment_changed",
    ),
    _bad("exits-3", shop.env(SHOP_EXIT_CODE="3", SHOP_EXIT_AFTER="0s")),
    _bad("no-number", shop.env(SHOP_MEMORY_MIB="lots")),
    _bad("cannot-write", _cannot_write, reason=""),  # its pod may be ready before it writes; the old one is gone then
    _bad("killed-at-its-start", shop.memory("6Mi", "6Mi"), cause="pod_oom_killed"),
    _bad("crashes-soon", shop.env(SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="10s"), reason="Stable"),
    shop.rolled_back("healthy-for-a-moment", None, _healthy_for_a_moment),
    shop.rolled_back("second-good-release", shop.applied(), _second_good),
    shop.unseen("autoscaler-is-blind", shop.applied(), _scaler(1, 3)),
    shop.unseen("autoscaler-is-fixed", shop.applied(), _scaler(1, 1)),
)
