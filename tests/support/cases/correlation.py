"""Faults with a cause elsewhere (a dependency, an object that several lack), and others that are only reported."""

from typing import Any

from support.api import Object, until
from support.cases import builders as shop
from support.cases.run import CLOSED, Case, CaseRun
from support.samples import container

DEPENDANTS = ("cart", "checkout")
_CALLS_LEDGER = shop.env(SHOP_DEPENDS_ON="$(LEDGER_SERVICE_HOST):8080")
_TOKEN = shop.server(envFrom=[{"configMapRef": {"name": shop.NAME}}, {"secretRef": {"name": "token"}}])
_RECREATED = shop.spec(strategy={"type": "Recreate"})
_SLOW = shop.probe("readinessProbe", httpGet={"path": "/", "port": 8080}, initialDelaySeconds=40)


def incident_of(run: CaseRun, workload: str) -> Object | None:
    """The incident about a Deployment of the namespace."""
    about = (incident for incident in run.incidents() if incident["spec"].get("target", {}).get("name") == workload)
    return next(about, None)


def ended(run: CaseRun, workload: str) -> Object:
    """The incident about a Deployment, once it is over."""

    def over() -> Object | None:
        found = incident_of(run, workload)
        return found if found and (found.get("status") or {}).get("phase") in CLOSED else None

    return until(over, 360, f"the incident of {workload} is over", every=0.5)


def called(name: str, *edits: shop.Edit) -> shop.Edit:
    """Another workload of the same program."""

    def edit(obj: Object) -> None:
        labels = {"app.kubernetes.io/name": name}
        obj["metadata"]["name"] = name
        obj["spec"]["selector"]["matchLabels"] = labels
        obj["spec"]["template"]["metadata"]["labels"] |= labels
        for change in edits:
            change(obj)

    return edit


def known(run: CaseRun, *names: str) -> None:
    """Wait until Prunella knows the healthy templates of these as well: else it could not roll them back by mistake."""
    path = f"/apis/apps/v1/namespaces/{run.namespace}/controllerrevisions"

    def all_kept() -> bool:
        kept = [item["metadata"]["name"] for item in run.api.items(path)]
        return all(any(name.startswith(f"{workload}-prunella-") for name in kept) for workload in names)

    until(all_kept, 180, "Prunella knows every healthy template", every=1)


def _drop(run: CaseRun, name: str) -> None:
    """Delete the pods of a workload; its controller makes others."""
    for pod in run.api.pods(run.namespace):
        if pod["metadata"]["labels"].get("app.kubernetes.io/name") == name:
            run.api.delete(f"/api/v1/namespaces/{run.namespace}/pods/{pod['metadata']['name']}")


def _seen(run: CaseRun, workload: str) -> None:
    until(lambda: incident_of(run, workload), 90, f"an incident about {workload}", every=0.2)


# Two dependants of a service that Prunella heals


def _shop(run: CaseRun) -> None:
    shop.with_ledger(run)
    slow = shop.ledger(run, 1)
    _SLOW(slow)
    run.api.apply(slow, shop.app(run)[0])
    until(lambda: _serves(run, "ledger"), 120, "the ledger serves")
    for name in DEPENDANTS:
        run.api.apply(shop.app(run, called(name, _CALLS_LEDGER))[1])
    known(run, *DEPENDANTS)


def _serves(run: CaseRun, name: str) -> bool:
    live = run.api.get(f"/apis/apps/v1/namespaces/{run.namespace}/deployments/{name}")
    status = live.get("status") or {}
    counts = {status.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    return status.get("observedGeneration") == live["metadata"]["generation"] and counts == {1}


def _bad_ledger(run: CaseRun) -> None:
    """The ledger's release is bad; the cart's pod is replaced, and of the checkout there is a new release as well."""
    broken = shop.ledger(run, 1, SHOP_REQUIRE_ENV="LEDGER_DB")
    _SLOW(broken)
    run.api.apply(broken)
    _seen(run, "ledger")
    _drop(run, "cart")
    run.api.apply(shop.app(run, called("checkout", _CALLS_LEDGER, shop.release(2)))[1])
    _drop(run, "checkout")


def _both_are_well(run: CaseRun) -> None:
    for name in DEPENDANTS:
        ended(run, name)


# A dependency that people have to fix


def _secret(run: CaseRun) -> None:
    meta = {"name": "token", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"TOKEN": "hunter2"}})


def _with_secret(obj: Object) -> Object:
    container(obj)["envFrom"] = [{"secretRef": {"name": "token"}}]
    return obj


def _secret_ledger(run: CaseRun) -> None:
    _secret(run)
    shop.with_ledger(run)
    run.api.apply(_with_secret(shop.ledger(run, 1)))
    until(lambda: _serves(run, "ledger"), 120, "the ledger serves")
    known(run, "ledger")
    shop.applied(_CALLS_LEDGER)(run)


def _secret_gone(run: CaseRun) -> None:
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/secrets/token")
    _drop(run, "ledger")
    _seen(run, "ledger")
    run.api.apply(shop.app(run, _CALLS_LEDGER, shop.release(2))[1])
    _drop(run, shop.NAME)


# Several that lack the same


def _shared(run: CaseRun) -> None:
    _secret(run)
    shop.applied(_TOKEN)(run)
    run.api.apply(shop.app(run, called("cart", _TOKEN))[1])
    known(run, "cart")


def _shared_gone(run: CaseRun) -> None:
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/secrets/token")
    for name in (shop.NAME, "cart"):
        _drop(run, name)


# A dependency that cannot be known


def _at_an_address(run: CaseRun) -> None:
    """The shop knows the ledger's pod by its address, which no Service has."""
    shop.with_ledger(run)
    (pod,) = run.api.pods(run.namespace)
    run.api.apply(*shop.app(run, _RECREATED, shop.env(SHOP_DEPENDS_ON=f"{pod['status']['podIP']}:8080")))


def _address_gone(run: CaseRun) -> None:
    address = container(run.first)["env"][0]["value"]
    shop.without_ledger(run)
    run.api.apply(shop.app(run, _RECREATED, shop.env(SHOP_DEPENDS_ON=address), shop.release(2))[1])


# Jobs and bare pods


def _of_its_own(run: CaseRun, kind: str, **values: Any) -> None:
    """A pod, or a Job, of the program that reads the ConfigMap."""
    config, workload = shop.app(run, SHOP_EXIT_CODE="1", SHOP_EXIT_AFTER="0s")
    pod = {**shop.pod_spec(workload), **values.pop("pod")}
    pod["containers"][0].pop("readinessProbe")
    version, wish = ("v1", pod) if kind == "Pod" else ("batch/v1", {"template": {"spec": pod}, **values})
    meta = {"name": shop.NAME, "namespace": run.namespace}
    run.api.apply(config, {"apiVersion": version, "kind": kind, "metadata": meta, "spec": wish})


def _failing_job(run: CaseRun) -> None:
    _of_its_own(run, "Job", backoffLimit=1, pod={"restartPolicy": "Never"})


def _retrying_job(run: CaseRun) -> None:
    _of_its_own(run, "Job", backoffLimit=6, pod={"restartPolicy": "OnFailure"})


def _data_fixed(run: CaseRun) -> None:
    """Let the next try of the Job succeed."""
    run.opened()
    shop.config_map(run, SHOP_EXIT_CODE="0", SHOP_EXIT_AFTER="0s")


def _one_pod(run: CaseRun) -> None:
    _of_its_own(run, "Pod", pod={"restartPolicy": "Never"})


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
        sample=shop.SAMPLE,
        slow=True,
    ),
    shop.escalated(
        "dependency-escalated",
        _secret_ledger,
        _secret_gone,
        "DependencyDown",
        "dependency_down",
        incidents=2,
        about=1,
    ),
    shop.escalated("shared-secret", _shared, _shared_gone, "SharedCause", "config_missing", incidents=2, about=1),
    shop.escalated("dependency-unknown", _at_an_address, _address_gone, "DependencyDown", "dependency_down", writes=2),
    shop.escalated("job-failed", None, _failing_job, "ReportOnly", "pod_crash_loop", kind="Job"),
    shop.escalated(
        "job-retried", None, _retrying_job, "RunCompleted", "", kind="Job", phase="Recovered", then=_data_fixed
    ),
    shop.escalated("pod-failed", None, _one_pod, "ReportOnly", "pod_crash_loop", kind="Pod"),
)
