"""Limits on Prunella although it knows the repair: owners elsewhere, policies, budgets."""

from datetime import timedelta
from typing import Any

from support.api import until
from support.cases import builders as shop
from support.cases.run import CLOSED, Case, CaseRun

from prunella_operator import clock

_FLUX = shop.marked("labels", kustomize_toolkit_fluxcd_io__name="shop", kustomize_toolkit_fluxcd_io__namespace="flux")
_HELM = shop.marked("annotations", **{"meta_helm_sh__release-name": "shop", "meta_helm_sh__release-namespace": "shop"})


def _tonight() -> list[dict[str, Any]]:
    """A window of an hour that is not now."""
    start = clock.now() + timedelta(hours=3)
    return [{"start": f"{start:%H:%M}", "end": f"{start + timedelta(hours=1):%H:%M}"}]


def _again(run: CaseRun) -> None:
    """Another bad release, right after the first one was rolled back."""

    def over() -> bool:
        return [(incident.get("status") or {}).get("phase") in CLOSED for incident in run.incidents()] == [True]

    until(over, 180, "the first fault is repaired", every=0.5)
    run.api.apply(*shop.app(run, shop.bad(3)))


def _held(name: str, reason: str, **more: Any) -> Case:
    return shop.escalated(name, shop.applied(), shop.applied(shop.bad()), reason, "bad_release", **more)


def _owned(name: str, mark: Any) -> Case:
    return shop.escalated(name, shop.applied(mark), shop.applied(mark, shop.bad()), "OwnedElsewhere", "bad_release")


_TWICE: dict[str, Any] = {"then": _again, "writes": 1, "incidents": 2, "about": 1}

CASES = (
    _owned("flux", _FLUX),
    _owned("helm", _HELM),
    _held("observe", "ObserveMode", phase="DryRunDone", policy={"mode": "Observe"}),
    _held("frozen", "Frozen", policy={"rollback": "Freeze"}),
    _held("budget", "BudgetSpent", policy={"budgets": {"perHourPerWorkload": 1}, "cooldown": "0s"}, **_TWICE),
    shop.rolled_back(
        "bad-again", shop.applied(), shop.applied(shop.bad()), policy={"cooldown": "10m"}, **{**_TWICE, "writes": 2}
    ),
    _held("maintenance", "OutsideWindow", phase="Diagnosing", policy={"maintenanceWindows": _tonight()}),
)
