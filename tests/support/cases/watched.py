"""Cases of the shadow score: a fault that Prunella only observes, what people do then, and what must be found.

Each is played twice: in mode Observe with these people, and in mode Heal without people, as the twin that shows what
Prunella's own repair would have done.
"""

from collections.abc import Callable
from dataclasses import dataclass

from support import samples
from support.cases import builders as shop
from support.cases.run import Case, CaseRun

from prunella_workflows.model.aftermath import AftermathOutcome

_OOM = {"SHOP_MEMORY_MIB": "90"}
_FAR_TOO_LARGE = {"SHOP_MEMORY_MIB": "150"}
_BEYOND_ALL_LIMITS = {"SHOP_MEMORY_MIB": "300"}
_RECREATE = shop.spec(strategy={"type": "Recreate"})
_FLICKER = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "0s", "SHOP_EXIT_TIMES": "4", "SHOP_STATE_DIR": "/state"}

Act = Callable[[CaseRun], None]


@dataclass(frozen=True)
class WatchedCase:
    """A fault, the actions of people after it was observed, and the outcome that must be found."""

    name: str
    before: Act | None
    """None: it never worked before."""
    breaks: Act
    people: Act
    outcome: AftermathOutcome
    sample: str = shop.SAMPLE
    workload: str = shop.NAME

    @property
    def observed(self) -> Case:
        """The case in mode Observe."""
        return self._play("DryRunDone", policy={"mode": "Observe"})

    @property
    def twin(self) -> Case:
        """The same fault in mode Heal."""
        return self._play("Healed")

    def _play(self, phase: str, **values: object) -> Case:
        fields = {"before": self.before, "breaks": self.breaks, "sample": self.sample, **values}
        return Case(self.name, self.workload, phase=phase, reason="", **fields)


def _nothing(run: CaseRun) -> None:
    """No one comes."""


def _file(name: str) -> Act:
    return lambda run: run.api.apply(*run.load(name)) and None


def _single(name: str) -> Act:
    """The objects of a file, with one replica."""

    def act(run: CaseRun) -> None:
        objects = run.load(name)
        samples.deployment(objects)["spec"]["replicas"] = 1
        run.api.apply(*objects)

    return act


def _undo(run: CaseRun) -> None:
    run.cluster.kubectl("-n", run.namespace, "rollout", "undo", f"deployment/{run.case.workload}")


def _undo_to_first(run: CaseRun) -> None:
    target = f"deployment/{run.case.workload}"
    run.cluster.kubectl("-n", run.namespace, "rollout", "undo", target, "--to-revision=1")


def _limit(amount: str) -> Act:
    def act(run: CaseRun) -> None:
        target = f"deployment/{run.case.workload}"
        run.cluster.kubectl("-n", run.namespace, "set", "resources", target, "-c=server", f"--limits=memory={amount}")

    return act


def _scaled(count: int) -> Act:
    return lambda run: run.api.patch(run.path, {"spec": {"replicas": count}}) and None


def _deleted(run: CaseRun) -> None:
    run.api.delete(run.path)


def _two_releases(run: CaseRun) -> None:
    run.api.apply(*shop.app(run, shop.bad(2)))
    run.api.apply(*shop.app(run, shop.bad(3), shop.env(SHOP_REQUIRE_ENV="PAYMENT_TOKEN,PAYMENT_URL")))


def _flickering(run: CaseRun) -> None:
    """A release that crashes at its first four starts, and runs from the fifth on."""
    _, workload = objects = shop.app(run, shop.release(2), shop.env(**_FLICKER))
    pod = shop.pod_spec(workload)
    pod["volumes"], pod["securityContext"]["fsGroup"] = [{"name": "state", "emptyDir": {}}], 65532
    samples.container(workload)["volumeMounts"] = [{"name": "state", "mountPath": "/state"}]
    run.api.apply(*objects)


def _key_added(run: CaseRun) -> None:
    config = f"/api/v1/namespaces/{run.namespace}/configmaps/orders"
    run.api.patch(config, {"data": {"tax-rate": "19"}})


def _corrected_and_undone(run: CaseRun) -> None:
    shop.config_map(run)
    _undo(run)


def _corrected_and_raised(run: CaseRun) -> None:
    shop.config_map(run, **_OOM)
    _limit("128Mi")(run)


def _bad_release(name: str, people: Act, outcome: AftermathOutcome) -> WatchedCase:
    return WatchedCase(name, shop.applied(), shop.applied(shop.bad()), people, outcome)


def _too_large(name: str, people: Act, outcome: AftermathOutcome, data: dict[str, str] | None = None) -> WatchedCase:
    return WatchedCase(name, shop.applied(), shop.restarted(**(data or _OOM)), people, outcome)


def _first_too_large(name: str, people: Act) -> WatchedCase:
    """A first release that reads no data and needs more memory than it has."""
    breaks = shop.applied(shop.without_data, shop.env(**_OOM))
    return WatchedCase(name, None, breaks, people, AftermathOutcome.SAME_CHANGE)


def _bad_release_and_data(name: str, people: Act, outcome: AftermathOutcome) -> WatchedCase:
    """Taking the release back alone does not help: with the data of now, the release before fails as well."""
    before, breaks = shop.applied(_RECREATE), shop.applied(_RECREATE, shop.bad(), **_FAR_TOO_LARGE)
    return WatchedCase(name, before, breaks, people, outcome)


def _of_sample(sample: str, workload: str, name: str, people: Act, outcome: AftermathOutcome) -> WatchedCase:
    return WatchedCase(name, _file("before.yaml"), _file("break.yaml"), people, outcome, sample, workload)


_SAME, _OTHER = AftermathOutcome.SAME_CHANGE, AftermathOutcome.OTHER_CHANGE
_FAILED, _GONE_AWAY = AftermathOutcome.SAME_CHANGE_FAILED, AftermathOutcome.RECOVERED
_PERSISTS = AftermathOutcome.PERSISTED
_ORDERS = ("config-error", "orders")

WATCHED = (
    _bad_release("undone", _undo, _SAME),
    _bad_release("undone-by-manifest", shop.applied(), _SAME),
    WatchedCase("two-releases-undone", shop.applied(), _two_releases, _undo_to_first, _SAME),
    _of_sample("image-pull", "search", "image-undone", _undo, _SAME),
    _of_sample("config-error", "orders", "config-undone", _undo, _SAME),
    _of_sample("init-crash", "shipping", "init-undone", _undo, _SAME),
    _first_too_large("raised-as-planned", _limit("128Mi")),
    _first_too_large("raised-in-bytes", _limit("134217728")),
    _too_large("raised-beside-data", _limit("128Mi"), AftermathOutcome.NOT_KNOWN),
    _too_large("corrected-and-raised", _corrected_and_raised, AftermathOutcome.NOT_KNOWN, _BEYOND_ALL_LIMITS),
    _too_large("raised-further", _limit("200Mi"), _OTHER),
    _bad_release("fixed-forward", shop.applied(shop.bad(), shop.env(PAYMENT_TOKEN="t")), _OTHER),
    _bad_release("undone-in-a-new-release", shop.applied(shop.release(3)), _OTHER),
    _of_sample("oom-killed", "recommendations", "scaled-back", _scaled(1), _OTHER),
    WatchedCase("by-itself", shop.applied(), _flickering, _nothing, _GONE_AWAY),
    WatchedCase("key-added", _single("before.yaml"), _single("break.yaml"), _key_added, _GONE_AWAY, *_ORDERS),
    _bad_release("persists", _nothing, _PERSISTS),
    _too_large("memory-persists", _nothing, _PERSISTS),
    _bad_release("changed-in-vain", shop.applied(shop.bad(3)), _PERSISTS),
    _too_large("raised-in-vain", _limit("128Mi"), _FAILED, _FAR_TOO_LARGE),
    _bad_release_and_data("undone-in-vain", _undo, _FAILED),
    _bad_release_and_data("corrected-and-undone", _corrected_and_undone, AftermathOutcome.NOT_KNOWN),
    _bad_release("deleted", _deleted, AftermathOutcome.DELETED),
)
BEYOND = (_of_sample("config-error", "orders", "rollout-continues", _key_added, _GONE_AWAY),)
"""The case that docs/shadow.md names as not recognised: a rollout that continues by itself, whose pods are younger than
the incident."""
