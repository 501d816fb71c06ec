"""Releases that are slow and not broken, while the one before serves; and those that are broken after all."""

import time
from collections.abc import Callable

from support.api import Object, until
from support.cases import builders as shop
from support.cases.causes import with_state
from support.cases.run import CaseRun
from support.cases.traps import GATED, ours, set_gate, statuses

_CRASHES = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "0s"}
_CRASHES_TWICE: tuple[shop.Edit, ...] = (with_state, shop.env(SHOP_EXIT_TIMES="2", SHOP_STATE_DIR="/state"))
_THREE = shop.replicas(3)


def migration(seconds: int, code: int = 0) -> shop.Edit:
    """An init container that works for a while before it ends."""

    def edit(obj: Object) -> None:
        kept = {key: shop.pod_spec(obj)["containers"][0][key] for key in ("image", "resources", "securityContext")}
        env = {"SHOP_EXIT_CODE": str(code), "SHOP_EXIT_AFTER": f"{seconds}s"}
        wanted = [{"name": name, "value": value} for name, value in env.items()]
        migrate = {**kept, "name": "migrate", "imagePullPolicy": "IfNotPresent", "env": wanted}
        shop.pod_spec(obj).setdefault("initContainers", []).append(migrate)

    return edit


def _fresh(run: CaseRun) -> list[Object]:
    return [pod for pod in ours(run) if pod["metadata"]["name"] not in run.pods]


def _opened_after(seconds: int) -> Callable[[CaseRun], None]:
    """The load balancer lets the new pod in, but late. Nothing may be written until then."""

    def act(run: CaseRun) -> None:
        pods = until(lambda: _fresh(run), 60, "the new pod is made")
        time.sleep(seconds)
        assert not run.attempted(), "it was not waited for"
        set_gate(run, "True", pods)

    return act


def _waited_for(seconds: int) -> Callable[[CaseRun], None]:
    """Nothing is written before the owner's deadline."""

    def act(run: CaseRun) -> None:
        time.sleep(seconds)
        assert not run.attempted(), "it was not waited for"

    return act


def rolled_out(run: CaseRun, *edits: shop.Edit) -> None:
    """A release that runs in all pods."""
    run.api.apply(*shop.app(run, *edits))

    def is_complete() -> bool:
        live = run.live()
        status, wanted = live["status"], live["spec"]["replicas"]
        counts = [status.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")]
        return status.get("observedGeneration") == live["metadata"]["generation"] and counts == [wanted] * 3

    until(is_complete, 90, "the release is complete", every=0.1)


def _then_one_crashes(*edits: shop.Edit) -> Callable[[CaseRun], None]:
    """A good release; once it is complete, one of its pods is replaced and cannot use its data."""

    def act(run: CaseRun) -> None:
        rolled_out(run, shop.release(2), *edits)
        shop.config_map(run, **_CRASHES)
        shop.drop_pod(run)

    return act


def _runs_on(run: CaseRun) -> None:
    """The migration is not cut off: its container ends by itself, and then the pod serves."""
    run.closed()

    def serves() -> bool:
        return any(status["ready"] for status in statuses(_fresh(run)))

    until(serves, 120, "the release serves after its migration")


CASES = (
    shop.recovered(
        "slow-while-served", shop.applied(), shop.applied(shop.release(2), GATED), then=_opened_after(140), slow=True
    ),
    shop.rolled_back(
        "slow-beyond-deadline",
        shop.applied(),
        shop.applied(shop.release(2), GATED, shop.deadline()),
        then=_waited_for(30),
    ),
    shop.unseen("migration-in-time", shop.applied(), shop.applied(shop.release(2), migration(60))),
    shop.escalated(
        "migration-late",
        shop.applied(),
        shop.applied(shop.release(2), migration(90), shop.deadline()),
        "InitContainerRunning",
        "bad_release",
        then=_runs_on,
    ),
    shop.rolled_back("migration-fails", shop.applied(), shop.applied(shop.release(2), migration(5, code=1))),
    shop.healed(
        "stateful-migration-fails",
        shop.applied(shop.replicas(2)),
        shop.applied(shop.replicas(2), shop.release(2), migration(5, code=1)),
        "bad_release",
        kind="StatefulSet",
        deletes=1,
    ),
    shop.recovered(
        "one-of-three-for-a-while",
        shop.applied(_THREE, *_CRASHES_TWICE),
        _then_one_crashes(_THREE, *_CRASHES_TWICE),
    ),
    shop.escalated(
        "one-of-three", shop.applied(_THREE), _then_one_crashes(_THREE), "InnocentRelease", "environment_changed"
    ),
    shop.healed(
        "one-of-three-oom", shop.applied(_THREE), shop.restarted(_THREE, SHOP_MEMORY_MIB="90"), "pod_oom_killed"
    ),
)
