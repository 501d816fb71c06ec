"""Causes that look alike: a release that is to blame, one that is not, a process that hangs, one that says no."""

from collections.abc import Callable

from support.api import Object, path_of, until
from support.case_builders import (
    NAME,
    Edit,
    app,
    applied,
    config_map,
    drop_pod,
    env,
    handed_over,
    healed,
    pod_spec,
    pods,
    probe,
    release,
    replicas,
    restarted,
    server,
    spec,
    with_ledger,
    without_ledger,
)
from support.case_run import CaseRun

_SECRET = server(envFrom=[{"configMapRef": {"name": NAME}}, {"secretRef": {"name": "token"}}])
_NOWHERE = pods(nodeSelector={"shop.example.org/disk": "nobody-has-this"})
_WRONG_PORT = (
    probe("readinessProbe", initialDelaySeconds=10),  # so that it is killed before it is ready
    probe("livenessProbe", httpGet={"path": "/healthz", "port": 9999}, failureThreshold=1),
)


def _with_secret(run: CaseRun) -> None:
    meta = {"name": "token", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"TOKEN": "hunter2"}})
    applied(_SECRET, spec(replicas=2))(run)


def _secret_deleted(run: CaseRun) -> None:
    """Nothing happens until a pod is made anew. The other one goes on with what it has read."""
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/secrets/token")
    drop_pod(run)


def _dependent(run: CaseRun) -> None:
    with_ledger(run)
    applied(env(SHOP_DEPENDS_ON="$(LEDGER_SERVICE_HOST):8080"))(run)


def _dependency_gone(run: CaseRun) -> None:
    without_ledger(run)
    drop_pod(run)


def _ledger(run: CaseRun, image: str, ready: str) -> Object:
    """A pod that says whether it is ready. Its image is changed in place, so that its address stays."""
    config, one = app(run, server(image=image))
    meta = {"name": "ledger", "namespace": run.namespace, "labels": {"prunella.dev/ignore": "true"}}
    container = {**pod_spec(one)["containers"][0], "envFrom": [{"configMapRef": {"name": "ledger"}}]}
    del container["readinessProbe"]
    run.api.apply({**config, "metadata": {**config["metadata"], "name": "ledger"}, "data": {"SHOP_READY": ready}})
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**pod_spec(one), "containers": [container]}}
    return run.api.apply(pod)[0]


def as_ready_as_ledger(run: CaseRun) -> Edit:
    """The shop is ready when the ledger says that it is: a pattern that is as common as it is disputed."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}  # the stricter ones forbid probes of another host
    run.api.patch(f"/api/v1/namespaces/{run.namespace}", {"metadata": {"labels": labels}})
    path = path_of(_ledger(run, "prunella.local/shop:1", "true"))
    address = until(lambda: run.api.get(path)["status"].get("podIP"), 90, "the ledger has an address")
    return probe("readinessProbe", httpGet={"host": address, "port": 8080, "path": "/readyz"})


def ledger_says_no(run: CaseRun) -> None:
    """It runs and answers, with 503."""
    _ledger(run, "prunella.local/shop:2", "false")


def _hung(run: CaseRun) -> None:
    """A pod that is replaced hangs after a while; what made it hang does not come back."""
    restarted(SHOP_HANG_AFTER="12s")(run)


def _no_longer(run: CaseRun) -> None:
    for ready, what in (("True", "the new pod serves"), ("False", "its process hangs")):
        until(lambda ready=ready: _readiness(run) == [ready], 120, what)
    config_map(run)


def _readiness(run: CaseRun) -> list[str]:
    found = [condition for pod in run.api.pods(run.namespace) for condition in pod["status"].get("conditions", ())]
    return [one["status"] for one in found if one["type"] == "Ready"]


def _flapping(run: CaseRun) -> None:
    run.api.apply(*app(run, *_FLAPS, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="0s"))
    drop_pod(run)


def _flap_on(run: CaseRun) -> None:
    """Each new pod crashes twice and then runs."""
    for count in (1, 2):
        until(lambda count=count: _recovered(run) == count, 150, f"it healed itself {count} time(s)", every=0.5)
        drop_pod(run)


def _recovered(run: CaseRun) -> int:
    phases = [(incident.get("status") or {}).get("phase") for incident in run.incidents()]
    return phases.count("Recovered")


def with_state(obj: Object) -> None:
    """A volume that outlives the container, to count its starts."""
    pods(volumes=[{"name": "state", "emptyDir": {}}])(obj)
    obj["spec"]["template"]["spec"]["securityContext"]["fsGroup"] = 65532
    server(volumeMounts=[{"name": "state", "mountPath": "/state"}])(obj)


_FLAPS: tuple[Edit, ...] = (with_state, env(SHOP_EXIT_TIMES="2", SHOP_STATE_DIR="/state"))
_TWO_AT_ONCE: tuple[Edit, ...] = (replicas(2), spec(strategy={"type": "Recreate"}))
_late: Callable[[CaseRun], None] = applied(release(2), _NOWHERE, spec(progressDeadlineSeconds=15))

CASES = (
    handed_over("secret-deleted", _with_secret, _secret_deleted, "InnocentRelease", "pod_crash_loop"),
    handed_over("dependency-gone", _dependent, _dependency_gone, "DependencyDown", "dependency_down"),
    handed_over(
        "says-no",
        lambda run: applied(as_ready_as_ledger(run))(run),
        ledger_says_no,
        "InnocentRelease",
        "pod_crash_loop",
    ),
    healed("hung", applied(), _hung, "network_timeout", then=_no_longer),
    handed_over(
        "hung-one-of-two",
        applied(*_TWO_AT_ONCE),
        restarted(*_TWO_AT_ONCE, SHOP_HANG_AFTER="12s"),
        "Interruption",
        "network_timeout",
    ),
    handed_over(
        "hangs-again",
        applied(),
        _hung,
        "HangsAgain",
        "network_timeout",
        writes=1,
        policy={"verification": {"window": "40s", "timeout": "60s"}},
        slow=True,
    ),
    healed("unschedulable", applied(spec(progressDeadlineSeconds=15)), _late, "bad_release"),
    healed("wrong-probe", applied(), applied(release(2), *_WRONG_PORT), "bad_release"),
    handed_over(
        "flapping",
        applied(*_FLAPS),
        _flapping,
        "InnocentRelease",
        "pod_crash_loop",
        then=_flap_on,
        incidents=3,
        about=2,
        policy={"grace": "40s"},
    ),
)
