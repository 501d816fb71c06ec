"""Builders for cases without a sample: a small release of the shop, edits to it, and actions of people.

The data of the shop is a ConfigMap that is read at the start. So a fault can come without any release, as most do:
the data changes, then a pod is replaced.
"""

from collections.abc import Callable
from typing import Any

from support import samples
from support.api import Object, until
from support.cases.run import Case, CaseRun

NAME = "recommendations"
SAMPLE = "oom-killed"
Edit = Callable[[Object], None]
SERVED = "ServedByExistingPods"
"""The reason of a repair after which only pods from before it serve."""
_ANSWERS_WITHIN = 5
"""Seconds: on a busy machine a healthy pod needs more than the one second that is usual."""


def app(run: CaseRun, *edits: Edit, **data: str) -> list[Object]:
    """The shop's ConfigMap with this data, and its workload (one replica) after the edits."""
    config, workload = run.load("before.yaml", SAMPLE)
    config["data"] = {"SHOP_MEMORY_MIB": "8", **data}  # all cases stay until the end
    workload["kind"] = run.case.kind
    pod_spec(workload)["dnsPolicy"] = "Default"  # else the kubelet of our cluster, without DNS, floods its own events
    container = samples.container(workload)
    container["readinessProbe"]["timeoutSeconds"] = _ANSWERS_WITHIN
    container["resources"]["requests"]["cpu"] = "2m"  # and the node has two cores
    if run.case.kind == "StatefulSet":
        workload["spec"]["serviceName"] = NAME
    if run.case.kind == "DaemonSet":
        del workload["spec"]["replicas"]
    for edit in edits:
        edit(workload)
    return [config, workload]


def applied(*edits: Edit, **data: str) -> Callable[[CaseRun], None]:
    """Apply the shop."""
    return lambda run: run.api.apply(*app(run, *edits, **data)) and None


def restarted(*edits: Edit, **data: str) -> Callable[[CaseRun], None]:
    """Change the data, then replace the newest pod: it is the only one that reads them."""

    def act(run: CaseRun) -> None:
        run.api.apply(*app(run, *edits, **data))
        drop_pod(run)

    return act


def drop_pod(run: CaseRun) -> None:
    """Delete the workload's last pod by name; its controller makes another one."""
    pods = [pod["metadata"]["name"] for pod in run.api.pods(run.namespace)]
    last = max(pod for pod in pods if pod.startswith(f"{NAME}-"))
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/pods/{last}")


def pod_spec(obj: Object) -> Object:
    """The pod spec of a workload."""
    spec: Object = obj["spec"]["template"]["spec"]
    return spec


def release(number: int) -> Edit:
    """Another release of the same program."""

    def edit(obj: Object) -> None:
        samples.container(obj)["image"] = f"prunella.local/shop:{1 + (number - 1) % 2}"
        obj["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] = str(number)

    return edit


def bad(number: int = 2) -> Edit:
    """A release that crashes at its start, because a required variable is missing."""

    def edit(obj: Object) -> None:
        release(number)(obj)
        samples.set_env(obj, SHOP_REQUIRE_ENV="PAYMENT_TOKEN")

    return edit


def env(**values: str) -> Edit:
    """Environment variables of the server."""
    return lambda obj: samples.set_env(obj, **values)


def server(**values: Any) -> Edit:
    """Fields of the server's container."""
    return lambda obj: samples.container(obj).update(values)


def probe(kind: str, **values: Any) -> Edit:
    """Fields of a probe of the server, which asks once a second."""

    def edit(obj: Object) -> None:
        container = samples.container(obj)
        container[kind] = {"periodSeconds": 1, **container.get(kind, {}), **values}

    return edit


def memory(limit: str, request: str = "16Mi") -> Edit:
    """The memory of the server."""

    def edit(obj: Object) -> None:
        resources = samples.container(obj)["resources"]
        resources["limits"]["memory"], resources["requests"]["memory"] = limit, request

    return edit


def deadline(seconds: int = 40) -> Edit:
    """The owner's own time for a rollout to get on."""
    return spec(progressDeadlineSeconds=seconds)


def replicas(count: int) -> Edit:
    """The number of replicas."""
    return lambda obj: obj["spec"].update(replicas=count)


def spec(**values: Any) -> Edit:
    """Fields of the workload's spec."""
    return lambda obj: obj["spec"].update(values)


def pods(**values: Any) -> Edit:
    """Fields of the pod spec."""
    return lambda obj: pod_spec(obj).update(values)


def marked(kind: str, **marks: str) -> Edit:
    """Labels or annotations of the workload; a double underscore stands for a slash, a single one for a dot."""
    named = {key.replace("__", "/").replace("_", "."): value for key, value in marks.items()}
    return lambda obj: obj["metadata"].setdefault(kind, {}).update(named)


def without_data(obj: Object) -> None:
    """A server whose settings are all in its template."""
    samples.container(obj).pop("envFrom")


def second(key: str, **values: Any) -> Edit:
    """A second container that reads the data, so that the server does not: under `containers` or `initContainers`."""

    def edit(obj: Object) -> None:
        main = samples.container(obj)
        other = {name: value for name, value in main.items() if name not in {"ports", "readinessProbe"}}
        pod_spec(obj).setdefault(key, []).append({**other, "name": "cache", **values})
        without_data(obj)

    return edit


def config_map(run: CaseRun, **data: str) -> None:
    """Change the data alone."""
    run.api.apply(app(run, **data)[0])


def ledger(run: CaseRun, count: int, **values: str) -> Object:
    """Another service, `ledger`, that the shop may depend on."""
    (base,) = samples.load("image-pull", "before.yaml", run.namespace)
    labels = {"app.kubernetes.io/name": "ledger"}
    template = base["spec"]["template"]
    more = {**base["spec"], "replicas": count, "selector": {"matchLabels": labels}, "strategy": {"type": "Recreate"}}
    more["template"] = {**template, "metadata": {"labels": labels}}
    made = {**base, "metadata": {**base["metadata"], "name": "ledger", "labels": labels}, "spec": more}
    probe("readinessProbe", httpGet={"path": "/", "port": 8080})(made)
    samples.set_env(made, **values)
    return made


def with_ledger(run: CaseRun) -> str:
    """Bring the ledger up; returns its address."""
    meta = {"name": "ledger", "namespace": run.namespace}
    ports = {"selector": {"app.kubernetes.io/name": "ledger"}, "ports": [{"port": 8080}]}
    (service,) = run.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": ports})
    run.api.apply(ledger(run, 1))
    path = f"/apis/apps/v1/namespaces/{run.namespace}/deployments/ledger"
    until(lambda: (run.api.get(path).get("status") or {}).get("availableReplicas"), 120, "the dependency is up")
    return str(service["spec"]["clusterIP"])


def without_ledger(run: CaseRun) -> None:
    """Take the ledger down."""
    run.api.apply(ledger(run, 0))
    until(lambda: not pods_of(run, "ledger"), 60, "the dependency is down")


def pods_of(run: CaseRun, name: str) -> int:
    """The number of an app's pods in the namespace, including those that are terminating."""
    path = f"/api/v1/namespaces/{run.namespace}/pods"
    return len(run.api.items(path, labelSelector=f"app.kubernetes.io/name={name}"))


def limits_of_namespace(run: CaseRun, kind: str, **values: Any) -> None:
    """A ResourceQuota or LimitRange."""
    meta = {"name": "bounds", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": values})


def healed(name: str, before: Any, breaks: Any, cause: str, **more: Any) -> Case:
    """A case that ends well, with one write unless it says otherwise."""
    values: dict[str, Any] = {"phase": "Healed", "reason": "Stable", "cause": cause, "writes": 1, "sample": SAMPLE}
    return Case(name, NAME, before=before, breaks=breaks, **{**values, **more})


def rolled_back(name: str, before: Any, breaks: Any, **more: Any) -> Case:
    """A bad release that is taken back while the pods of the one before serve: no new pod proves that it helped."""
    return healed(name, before, breaks, more.pop("cause", "bad_release"), **{"reason": SERVED, **more})


def recovered(name: str, before: Any, breaks: Any, **more: Any) -> Case:
    """A fault that ends by itself, with no write."""
    values: dict[str, Any] = {"phase": "Recovered", "reason": "HealedByItself", "sample": SAMPLE}
    return Case(name, NAME, before=before, breaks=breaks, **{**values, **more})


def unseen(name: str, before: Any, breaks: Any, **more: Any) -> Case:
    """A case that must have no incident."""
    values: dict[str, Any] = {"phase": None, "reason": "", "incidents": 0, "sample": SAMPLE}
    return Case(name, NAME, before=before, breaks=breaks, **{**values, **more})


def escalated(name: str, before: Any, breaks: Any, reason: str, cause: str, **more: Any) -> Case:
    """A case that is escalated to a person, with no write unless it says otherwise."""
    values: dict[str, Any] = {"phase": "Escalated", "reason": reason, "cause": cause, "sample": SAMPLE}
    return Case(name, NAME, before=before, breaks=breaks, **{**values, **more})
