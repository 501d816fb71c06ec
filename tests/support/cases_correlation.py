"""Faults whose cause is elsewhere: a dependency, an object that several workloads lack; and what is only reported."""

from typing import Any

from support.api import Object, until
from support.recipes import (
    NAME,
    SAMPLE,
    Edit,
    app,
    applied,
    config_map,
    env,
    handed_over,
    ledger,
    pod_spec,
    probe,
    release,
    server,
    spec,
    with_ledger,
    without_ledger,
)
from support.samples import container
from support.stage import CLOSED, Case, Scene

DEPENDANTS = ("cart", "checkout")
_CALLS_LEDGER = env(SHOP_DEPENDS_ON="$(LEDGER_SERVICE_HOST):8080")
_TOKEN = server(envFrom=[{"configMapRef": {"name": NAME}}, {"secretRef": {"name": "token"}}])
_RECREATED = spec(strategy={"type": "Recreate"})
_SLOW = probe("readinessProbe", httpGet={"path": "/", "port": 8080}, initialDelaySeconds=40)


def incident_of(scene: Scene, workload: str) -> Object | None:
    """The incident about a Deployment of the namespace."""
    about = (incident for incident in scene.incidents() if incident["spec"].get("target", {}).get("name") == workload)
    return next(about, None)


def ended(scene: Scene, workload: str) -> Object:
    """The incident about a Deployment, once it is over."""

    def over() -> Object | None:
        found = incident_of(scene, workload)
        return found if found and (found.get("status") or {}).get("phase") in CLOSED else None

    return until(over, 360, f"the incident of {workload} is over", every=0.5)


def _called(name: str, *edits: Edit) -> Edit:
    """Another workload of the same program."""

    def edit(obj: Object) -> None:
        labels = {"app.kubernetes.io/name": name}
        obj["metadata"]["name"] = name
        obj["spec"]["selector"]["matchLabels"] = labels
        obj["spec"]["template"]["metadata"]["labels"] |= labels
        for change in edits:
            change(obj)

    return edit


def _known(scene: Scene, *names: str) -> None:
    """Wait until Prunella knows the healthy templates of these as well: else it could not roll them back by mistake."""
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/controllerrevisions"

    def all_kept() -> bool:
        kept = [one["metadata"]["name"] for one in scene.api.items(path)]
        return all(any(name.startswith(f"{one}-prunella-") for name in kept) for one in names)

    until(all_kept, 180, "Prunella knows every healthy template", every=1)


def _drop(scene: Scene, name: str) -> None:
    """Delete the pods of a workload; its controller makes others."""
    for pod in scene.api.pods(scene.namespace):
        if pod["metadata"]["labels"].get("app.kubernetes.io/name") == name:
            scene.api.delete(f"/api/v1/namespaces/{scene.namespace}/pods/{pod['metadata']['name']}")


def _seen(scene: Scene, workload: str) -> None:
    until(lambda: incident_of(scene, workload), 90, f"an incident about {workload}", every=0.2)


# Two dependants of a service that Prunella heals


def _shop(scene: Scene) -> None:
    with_ledger(scene)
    slow = ledger(scene, 1)
    _SLOW(slow)
    scene.api.apply(slow, app(scene)[0])
    until(lambda: _serves(scene, "ledger"), 120, "the ledger serves")
    for name in DEPENDANTS:
        scene.api.apply(app(scene, _called(name, _CALLS_LEDGER))[1])
    _known(scene, *DEPENDANTS)


def _serves(scene: Scene, name: str) -> bool:
    live = scene.api.get(f"/apis/apps/v1/namespaces/{scene.namespace}/deployments/{name}")
    status = live.get("status") or {}
    counts = {status.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    return status.get("observedGeneration") == live["metadata"]["generation"] and counts == {1}


def _bad_ledger(scene: Scene) -> None:
    """The ledger's release is bad; the cart's pod is replaced, and of the checkout there is a new release as well."""
    broken = ledger(scene, 1, SHOP_REQUIRE_ENV="LEDGER_DB")
    _SLOW(broken)
    scene.api.apply(broken)
    _seen(scene, "ledger")
    _drop(scene, "cart")
    scene.api.apply(app(scene, _called("checkout", _CALLS_LEDGER, release(2)))[1])
    _drop(scene, "checkout")


def _both_are_well(scene: Scene) -> None:
    for name in DEPENDANTS:
        ended(scene, name)


# A dependency that people have to mend


def _secret(scene: Scene) -> None:
    meta = {"name": "token", "namespace": scene.namespace}
    scene.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"TOKEN": "hunter2"}})


def _with_secret(obj: Object) -> Object:
    container(obj)["envFrom"] = [{"secretRef": {"name": "token"}}]
    return obj


def _secret_ledger(scene: Scene) -> None:
    _secret(scene)
    with_ledger(scene)
    scene.api.apply(_with_secret(ledger(scene, 1)))
    until(lambda: _serves(scene, "ledger"), 120, "the ledger serves")
    _known(scene, "ledger")
    applied(_CALLS_LEDGER)(scene)


def _secret_gone(scene: Scene) -> None:
    scene.api.delete(f"/api/v1/namespaces/{scene.namespace}/secrets/token")
    _drop(scene, "ledger")
    _seen(scene, "ledger")
    scene.api.apply(app(scene, _CALLS_LEDGER, release(2))[1])
    _drop(scene, NAME)


# Several that lack the same


def _shared(scene: Scene) -> None:
    _secret(scene)
    applied(_TOKEN)(scene)
    scene.api.apply(app(scene, _called("cart", _TOKEN))[1])
    _known(scene, "cart")


def _shared_gone(scene: Scene) -> None:
    scene.api.delete(f"/api/v1/namespaces/{scene.namespace}/secrets/token")
    for name in (NAME, "cart"):
        _drop(scene, name)


# What depends on something that nobody can know


def _at_an_address(scene: Scene) -> None:
    """The shop knows the ledger's pod by its address, which no Service has."""
    with_ledger(scene)
    (pod,) = scene.api.pods(scene.namespace)
    scene.api.apply(*app(scene, _RECREATED, env(SHOP_DEPENDS_ON=f"{pod['status']['podIP']}:8080")))


def _address_gone(scene: Scene) -> None:
    address = container(scene.first)["env"][0]["value"]
    without_ledger(scene)
    scene.api.apply(app(scene, _RECREATED, env(SHOP_DEPENDS_ON=address), release(2))[1])


# Jobs and bare pods


def _of_its_own(scene: Scene, kind: str, **values: Any) -> None:
    """A pod, or a Job, of the program that reads the ConfigMap."""
    config, one = app(scene, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="0s")
    pod = {**pod_spec(one), **values.pop("pod")}
    pod["containers"][0].pop("readinessProbe")
    version, wish = ("v1", pod) if kind == "Pod" else ("batch/v1", {"template": {"spec": pod}, **values})
    meta = {"name": NAME, "namespace": scene.namespace}
    scene.api.apply(config, {"apiVersion": version, "kind": kind, "metadata": meta, "spec": wish})


def _failing_job(scene: Scene) -> None:
    _of_its_own(scene, "Job", backoffLimit=1, pod={"restartPolicy": "Never"})


def _retrying_job(scene: Scene) -> None:
    _of_its_own(scene, "Job", backoffLimit=6, pod={"restartPolicy": "OnFailure"})


def _data_mended(scene: Scene) -> None:
    """The next try of the Job comes to a good end."""
    scene.opened()
    config_map(scene, SHOP_EXIT_CODE="0", SHOP_EXIT_AFTER="0s")


def _one_pod(scene: Scene) -> None:
    _of_its_own(scene, "Pod", pod={"restartPolicy": "Never"})


CASES = (
    Case(
        "dependants",
        "ledger",
        before=_shop,
        breaks=_bad_ledger,
        then=_both_are_well,
        phase="Healed",
        reason="Stable",
        cause="bad_release",
        writes=1,
        incidents=3,
        sample=SAMPLE,
        slow=True,
    ),
    handed_over(
        "dependency-escalated",
        _secret_ledger,
        _secret_gone,
        "DependencyDown",
        "dependency_down",
        incidents=2,
        about=1,
    ),
    handed_over("shared-secret", _shared, _shared_gone, "SharedCause", "pod_crash_loop", incidents=2, about=1),
    handed_over("dependency-unknown", _at_an_address, _address_gone, "RollbackDidNotHelp", "bad_release", writes=2),
    handed_over("job-failed", None, _failing_job, "ReportOnly", "pod_crash_loop", kind="Job"),
    handed_over(
        "job-retried", None, _retrying_job, "RunCompleted", "", kind="Job", phase="Recovered", then=_data_mended
    ),
    handed_over("pod-failed", None, _one_pod, "ReportOnly", "pod_crash_loop", kind="Pod"),
)
