"""Causes that look alike: a release that is to blame, one that is not, a process that hangs, one that answers 503."""

from collections.abc import Callable

from support.api import Object, path_of, until
from support.cases import builders as shop
from support.cases.run import CaseRun

_SECRET = shop.server(envFrom=[{"configMapRef": {"name": shop.NAME}}, {"secretRef": {"name": "token"}}])
_NOWHERE = shop.pods(nodeSelector={"shop.example.org/disk": "no-node-has-this"})
_WRONG_PORT = (
    shop.probe("readinessProbe", initialDelaySeconds=10),  # so that it is killed before it is ready
    shop.probe("livenessProbe", httpGet={"path": "/healthz", "port": 9999}, failureThreshold=1),
)


def _with_secret(run: CaseRun) -> None:
    meta = {"name": "token", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"TOKEN": "hunter2"}})
    shop.applied(_SECRET, shop.spec(replicas=2))(run)


def _secret_deleted(run: CaseRun) -> None:
    """Nothing happens until a pod is recreated. The other one continues with the data that it has read."""
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/secrets/token")
    shop.drop_pod(run)


def dependent(run: CaseRun) -> None:
    """The shop needs the ledger at its start."""
    shop.with_ledger(run)
    shop.applied(shop.env(SHOP_DEPENDS_ON="$(LEDGER_SERVICE_HOST):8080"))(run)


def dependency_gone(run: CaseRun) -> None:
    """The ledger is scaled to zero, and then a pod of the shop is replaced."""
    shop.without_ledger(run)
    shop.drop_pod(run)


def _ledger(run: CaseRun, image: str, **data: str) -> Object:
    """A pod that says whether it is ready, by its data. Its image is changed in place, so that its address stays."""
    config, workload = shop.app(run, shop.server(image=image))
    meta = {"name": "ledger", "namespace": run.namespace, "labels": {"prunella.dev/ignore": "true"}}
    container = {**shop.pod_spec(workload)["containers"][0], "envFrom": [{"configMapRef": {"name": "ledger"}}]}
    del container["readinessProbe"]
    run.api.apply({**config, "metadata": {**config["metadata"], "name": "ledger"}, "data": data})
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {**shop.pod_spec(workload), "containers": [container]},
    }
    return run.api.apply(pod)[0]


def as_ready_as_ledger(run: CaseRun) -> shop.Edit:
    """The shop is ready when the ledger says that it is: a common but disputed pattern."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}  # the stricter ones forbid probes of another host
    run.api.patch(f"/api/v1/namespaces/{run.namespace}", {"metadata": {"labels": labels}})
    path = path_of(_ledger(run, "prunella.local/shop:1", SHOP_READY="true"))
    address = until(lambda: run.api.get(path)["status"].get("podIP"), 90, "the ledger has an address")
    return shop.probe("readinessProbe", httpGet={"host": address, "port": 8080, "path": "/readyz"})


def ledger_says_no(run: CaseRun) -> None:
    """It runs and answers, with 503."""
    _ledger(run, "prunella.local/shop:2", SHOP_READY="false")


def ledger_hangs(run: CaseRun) -> None:
    """It takes connections, and answers none."""
    _ledger(run, "prunella.local/shop:2", SHOP_HANG_AFTER="1s")


def _hung(run: CaseRun) -> None:
    """A pod that is replaced hangs after a while; what made it hang does not come back."""
    shop.restarted(SHOP_HANG_AFTER="12s")(run)


def _no_longer(run: CaseRun) -> None:
    for ready, what in (("True", "the new pod serves"), ("False", "its process hangs")):
        until(lambda ready=ready: _readiness(run) == [ready], 120, what)
    shop.config_map(run)


def _readiness(run: CaseRun) -> list[str]:
    found = [condition for pod in run.api.pods(run.namespace) for condition in pod["status"].get("conditions", ())]
    return [item["status"] for item in found if item["type"] == "Ready"]


def _flapping(run: CaseRun) -> None:
    run.api.apply(*shop.app(run, *_FLAPS, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="0s"))
    shop.drop_pod(run)


def _flap_on(run: CaseRun) -> None:
    """Each new pod crashes twice and then runs."""
    for count in (1, 2):
        until(lambda count=count: _recovered(run) == count, 150, f"it healed itself {count} time(s)", every=0.5)
        shop.drop_pod(run)


def _recovered(run: CaseRun) -> int:
    phases = [(incident.get("status") or {}).get("phase") for incident in run.incidents()]
    return phases.count("Recovered")


def with_state(obj: Object) -> None:
    """A volume that outlives the container, to count its starts."""
    shop.pods(volumes=[{"name": "state", "emptyDir": {}}])(obj)
    obj["spec"]["template"]["spec"]["securityContext"]["fsGroup"] = 65532
    shop.server(volumeMounts=[{"name": "state", "mountPath": "/state"}])(obj)


_FLAPS: tuple[shop.Edit, ...] = (with_state, shop.env(SHOP_EXIT_TIMES="2", SHOP_STATE_DIR="/state"))
_TWO_AT_ONCE: tuple[shop.Edit, ...] = (shop.replicas(2), shop.spec(strategy={"type": "Recreate"}))
_late: Callable[[CaseRun], None] = shop.applied(shop.release(2), _NOWHERE, shop.spec(progressDeadlineSeconds=15))

CASES = (
    shop.escalated("secret-deleted", _with_secret, _secret_deleted, "ConfigMissing", "config_missing"),
    shop.escalated("dependency-gone", dependent, dependency_gone, "DependencyDown", "dependency_down"),
    shop.escalated(
        "says-no",
        lambda run: shop.applied(as_ready_as_ledger(run))(run),
        ledger_says_no,
        "DependencyDown",
        "dependency_down",
    ),
    shop.healed("hung", shop.applied(), _hung, "network_timeout", then=_no_longer),
    shop.escalated(
        "hung-one-of-two",
        shop.applied(*_TWO_AT_ONCE),
        shop.restarted(*_TWO_AT_ONCE, SHOP_HANG_AFTER="12s"),
        "Interruption",
        "network_timeout",
    ),
    shop.escalated(
        "hangs-again",
        shop.applied(),
        _hung,
        "HangsAgain",
        "network_timeout",
        writes=1,
        policy={"verification": {"window": "40s", "timeout": "60s"}},
        slow=True,
    ),
    shop.rolled_back("unschedulable", shop.applied(shop.deadline(15)), _late),
    # A pod may become ready before its liveness probe fails; the old one is gone then.
    shop.rolled_back("wrong-probe", shop.applied(), shop.applied(shop.release(2), *_WRONG_PORT), reason=""),
    shop.escalated(
        "flapping",
        shop.applied(*_FLAPS),
        _flapping,
        "InnocentRelease",
        "environment_changed",
        then=_flap_on,
        incidents=3,
        about=2,
        policy={"grace": "40s"},
    ),
)
