"""Faults that begin in several places at once: one cause behind them, or each its own."""

from support import samples
from support.api import until
from support.cases import builders as shop
from support.cases.causes import as_ready_as_ledger, dependency_gone, dependent, ledger_hangs
from support.cases.places import both_known, over, two
from support.cases.run import CaseRun
from support.cases.traps import ours, statuses

_TWO, _THREE = shop.replicas(2), shop.replicas(3)
_CRASHES = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "0s"}


def _old_ones_too(run: CaseRun) -> None:
    """A release, and data that no pod can use: one of the old pods is replaced as well."""
    run.api.apply(*shop.app(run, _TWO, shop.release(2), **_CRASHES))
    first = min(run.pods)
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/pods/{first}")


def _leaning(run: CaseRun) -> None:
    """The shop asks the ledger at its start, and is ready as long as that is."""
    asks = as_ready_as_ledger(run)
    host = samples.container(shop.app(run, asks)[1])["readinessProbe"]["httpGet"]["host"]
    shop.applied(_TWO, asks, shop.env(SHOP_DEPENDS_ON=f"{host}:8080"))(run)


def _outage(run: CaseRun) -> None:
    """The ledger is gone in the middle of a rollout: new pods crash, and old ones are not ready any more."""
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/pods/ledger")
    until(lambda: run.live()["status"].get("availableReplicas", 0) < 2, 60, "an old pod is not ready any more")
    server = samples.container(run.first)
    shop.applied(_TWO, shop.release(2), shop.server(env=server["env"], readinessProbe=server["readinessProbe"]))(run)


def _ready_with_ledger(run: CaseRun) -> None:
    shop.applied(_THREE, as_ready_as_ledger(run))(run)


def _the_last_one(run: CaseRun) -> None:
    """Two of three pods run the release; then the data changes, and the last one cannot use them."""
    shop.applied(_THREE, shop.release(2), _down_to(1))(run)

    def two_are_new() -> bool:
        status = run.live()["status"]
        return (status.get("updatedReplicas"), status.get("availableReplicas")) == (2, 3)

    until(two_are_new, 90, "two pods run the release")
    run.api.apply(*shop.app(run, _THREE, shop.release(2), _down_to(0), **_CRASHES))


def _down_to(ordinal: int) -> shop.Edit:
    return shop.spec(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": ordinal}})


def _bad_in_its_own_way(run: CaseRun) -> None:
    """Two teams release at the same moment, and each has forgotten a setting of its own."""
    two(shop.bad())(run)


def _back_again(run: CaseRun) -> None:
    """The ledger is back while the shop's pod is in a back-off of more than a minute."""

    def waits() -> bool:
        found = statuses(ours(run))
        return any(status["restartCount"] >= 4 and "waiting" in status["state"] for status in found)

    until(waits, 180, "the pod is in a long back-off", every=0.5)
    shop.with_ledger(run)


CASES = (
    # The action's id on the workload, and the eviction.
    shop.healed("woken", dependent, dependency_gone, "dependency_down", then=_back_again, reason="", writes=2),
    shop.escalated("old-pods-too", shop.applied(_TWO), _old_ones_too, "InnocentRelease", "environment_changed"),
    shop.escalated("outage-and-release", _leaning, _outage, "DependencyDown", "dependency_down"),
    shop.escalated("hangs-together", _ready_with_ledger, ledger_hangs, "DependencyDown", "dependency_down"),
    shop.escalated(
        "stateful-last-one",
        shop.applied(_THREE),
        _the_last_one,
        "InnocentRelease",
        "environment_changed",
        kind="StatefulSet",
    ),
    shop.rolled_back(
        "two-at-once", both_known, _bad_in_its_own_way, then=over, writes=2, incidents=2, beside=("cart",)
    ),
)
