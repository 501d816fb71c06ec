"""After a repair: the proof, the next fault, and the same fault again."""

from collections.abc import Callable
from typing import Any

from support.api import until
from support.cases import builders as shop
from support.cases.environment import WITH_SECRET, secret
from support.cases.patience import rolled_out
from support.cases.places import over
from support.cases.run import CLOSED, CaseRun
from support.samples import SHORT

_CRASHES = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "0s"}
_GROWN = {"SHOP_MEMORY_MIB": "90"}
_LONG: dict[str, Any] = {"cooldown": "10m"}
"""Nothing may be left in force for that long only because it was repaired a moment ago."""


def _when_healed(then: Callable[[CaseRun], None]) -> Callable[[CaseRun], None]:
    """People go on once the first fault is repaired."""

    def act(run: CaseRun) -> None:
        _first_is(run, *CLOSED)
        then(run)

    return act


def _first_is(run: CaseRun, *phases: str) -> None:
    def is_there() -> bool:
        return any((incident.get("status") or {}).get("phase") in phases for incident in run.incidents()[:1])

    until(is_there, 240, f"the first incident is {' or '.join(phases)}", every=0.2)


def _new_pod(run: CaseRun) -> None:
    """A pod of the template that was gone back to is replaced, and its successor serves."""
    shop.drop_pod(run)
    until(lambda: run.live()["status"].get("availableReplicas") == 1, 60, "it serves again")


def _with_secret(run: CaseRun) -> None:
    shop.applied(secret(run, TOKEN="hunter2"))(run)


def _rotated(run: CaseRun) -> None:
    """A Secret that no pod can use, and that Prunella may not read; then a good release."""
    secret(run, TOKEN="hunter3", **_CRASHES)
    shop.applied(WITH_SECRET, shop.release(2))(run)


def _next_pod_fails(run: CaseRun) -> None:
    """The pod that served is replaced, and its successor reads the Secret: so the release was not the cause."""
    shop.drop_pod(run)
    until(lambda: _version(run) == "2", 180, "the owner's template is back", every=0.5)
    over(run)


def _version(run: CaseRun) -> str:
    labels: dict[str, str] = run.live()["spec"]["template"]["metadata"]["labels"]
    return labels["app.kubernetes.io/version"]


def _more_again(run: CaseRun) -> None:
    """The data grow once more, beyond the memory that was given."""
    shop.config_map(run, SHOP_MEMORY_MIB="150")
    shop.drop_pod(run)
    over(run)


def _bad_again(run: CaseRun) -> None:
    """The owner's second attempt is bad as well, and comes while the first is taken back."""
    _first_is(run, "Verifying")
    shop.applied(shop.bad(3))(run)
    over(run)


def _leaks_slowly(run: CaseRun) -> None:
    """It reaches its limit after a while, and after a raise only after another while."""
    rolled_out(run, shop.release(2), shop.env(SHOP_LEAK_MIB_PER_S="6"))


def _outgrown(run: CaseRun) -> None:
    """The raised limit is used up as well: the release that leaks is taken back."""
    until(lambda: _version(run) == "1", 300, "the release is taken back", every=0.5)
    over(run)


CASES = (
    shop.rolled_back("next-pod-is-well", shop.applied(), shop.applied(shop.bad()), then=_when_healed(_new_pod)),
    shop.escalated(
        "next-pod-fails-too",
        _with_secret,
        _rotated,
        "",
        "environment_changed",
        then=_when_healed(_next_pod_fails),
        writes=2,
        incidents=2,
        about=1,
    ),
    shop.healed(
        "oom-again",
        shop.applied(),
        shop.restarted(**_GROWN),
        "pod_oom_killed",
        then=_when_healed(_more_again),
        writes=2,
        incidents=2,
        about=1,
        policy=_LONG,
    ),
    shop.rolled_back(
        "bad-again-meanwhile",
        shop.applied(),
        shop.applied(shop.bad()),
        then=_bad_again,
        writes=2,
        incidents=2,
        about=1,
        policy={**_LONG, "verification": {"window": "20s", "timeout": "90s"}},
    ),
    shop.healed(
        "leak-outgrows-a-raise",
        shop.applied(),
        _leaks_slowly,
        cause="pod_oom_killed",
        then=_outgrown,
        writes=2,
        incidents=2,
        about=1,
        policy={"verification": SHORT["verification"]},  # a longer one sees the raise fail
        slow=True,
    ),
    shop.escalated(
        "crashes-late-by-its-data",
        shop.applied(shop.replicas(2)),
        shop.restarted(shop.replicas(2), SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="20s"),
        "InnocentRelease",
        "environment_changed",
    ),
)
