"""Bad releases in all their forms, with the default deadline, on every kind of workload that is repaired."""

from collections.abc import Callable
from typing import Any

from support import samples
from support.api import Object, until
from support.cases import builders as shop
from support.cases.run import Case, CaseRun

STATEFUL = {"kind": "StatefulSet", "deletes": 1}
_DISK = shop.pods(nodeSelector={"shop.example.org/disk": "no-node-has-this"})
_HUGE = shop.server(resources={"limits": {"memory": "64Mi"}, "requests": {"cpu": "1000", "memory": "16Mi"}})
_NOT_THERE: list[shop.Edit] = [shop.probe("readinessProbe", httpGet={"path": "/readyz", "port": 9090})]
_APART = shop.pods(
    affinity={
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/version": "2"}},
                    "topologyKey": "kubernetes.io/hostname",
                }
            ]
        }
    }
)


def _mounted(**volume: Any) -> shop.Edit:
    """A volume that does not exist."""

    def edit(obj: Object) -> None:
        shop.pods(volumes=[{"name": "more", **volume}])(obj)
        shop.server(volumeMounts=[{"name": "more", "mountPath": "/more"}])(obj)

    return edit


def _beside(name: str, key: str = "containers", **values: Any) -> shop.Edit:
    """Another container of the same program, without the data."""

    def edit(obj: Object) -> None:
        kept = {k: v for k, v in samples.container(obj).items() if k not in {"ports", "readinessProbe", "envFrom"}}
        shop.pod_spec(obj).setdefault(key, []).append({**kept, "name": name, **values})

    return edit


def _program(run: CaseRun) -> None:
    """A file that cannot be executed, as in an image of another architecture."""
    run.api.apply(*shop.app(run, shop.release(2), shop.server(command=["/data/shop"]), *_script(run)))


def _script(run: CaseRun) -> list[shop.Edit]:
    meta = {"name": "script", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"shop": "\x7f no program"}})

    def edit(obj: Object) -> None:
        shop.pods(volumes=[{"name": "data", "configMap": {"name": "script", "defaultMode": 0o755}}])(obj)
        shop.server(volumeMounts=[{"name": "data", "mountPath": "/data"}])(obj)

    return [edit]


def _privileged(run: CaseRun) -> None:
    run.api.patch(
        f"/api/v1/namespaces/{run.namespace}",
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
    )


def _squatted(run: CaseRun) -> None:
    """A pod of another workload has the host port."""
    _privileged(run)
    _, workload = shop.app(run, _host_port(31999))
    meta = {"name": "squatter", "namespace": run.namespace, "labels": {"prunella.dev/ignore": "true"}}
    container = {key: value for key, value in shop.pod_spec(workload)["containers"][0].items() if key != "envFrom"}
    spec = {**shop.pod_spec(workload), "containers": [container]}
    run.api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    shop.applied()(run)


def _host_port(port: int) -> shop.Edit:
    return shop.server(ports=[{"name": "http", "containerPort": 8080, "hostPort": port}])


def _bounded(kind: str, *edits: shop.Edit, **values: Any) -> Callable[[CaseRun], None]:
    def act(run: CaseRun) -> None:
        shop.limits_of_namespace(run, kind, **values)
        shop.applied(*edits)(run)

    return act


def _one_after_the_other(*kinds: shop.Edit) -> Callable[[CaseRun], None]:
    """Releases that are bad in different ways, each as soon as the one before is a revision."""

    def act(run: CaseRun) -> None:
        path = f"/apis/apps/v1/namespaces/{run.namespace}/replicasets"
        for number, edit in enumerate(kinds, 2):
            run.api.apply(*shop.app(run, shop.release(number), edit))
            until(lambda number=number: len(run.api.items(path)) == number, 30, "it is a revision", every=0.05)

    return act


def _recreated(run: CaseRun) -> None:
    run.api.delete(run.path, propagation="Foreground")
    until(lambda: run.api.find(run.path) is None, 60, f"the {run.case.kind} is deleted")
    run.api.apply(*shop.app(run, shop.bad()))


def _on_delete(run: CaseRun) -> None:
    """The owner replaces pods by hand, and starts with the first."""
    shop.applied(shop.bad(), *_BY_HAND)(run)
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/pods/{shop.NAME}-0")


def _bad_data_too(run: CaseRun) -> None:
    """A release that comes with its own data."""
    shop.applied(shop.release(2), shop.env(SHOP_EXIT_CODE="3", SHOP_EXIT_AFTER="0s"))(run)
    shop.config_map(run)


_BY_HAND: tuple[shop.Edit, ...] = (shop.replicas(2), shop.spec(updateStrategy={"type": "OnDelete"}))
_PARTED = shop.spec(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 1}})
_LIVENESS = shop.probe(
    "livenessProbe", httpGet={"path": "/healthz", "port": 9999}, initialDelaySeconds=2, failureThreshold=2
)
_STARTUP = shop.probe("startupProbe", httpGet={"path": "/healthz", "port": 9999}, failureThreshold=3)
_LATE = shop.probe("readinessProbe", initialDelaySeconds=10)  # it is killed before it can count as good
_NO_ACCOUNT = shop.pods(serviceAccountName="missing")
_RULES = shop.spec(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}})
_KEY = shop.server(env=[{"name": "TOKEN", "valueFrom": {"configMapKeyRef": {"name": shop.NAME, "key": "not-there"}}}])


def _bad(name: str, *edits: shop.Edit, before: Any = None, good: tuple[shop.Edit, ...] = (), **more: Any) -> Case:
    breaks = more.pop("breaks", None) or shop.applied(*good, shop.release(2), *edits)
    if more.get("kind", "Deployment") == "Deployment":
        return shop.rolled_back(name, before or shop.applied(*good), breaks, **more)
    return shop.healed(name, before or shop.applied(*good), breaks, "bad_release", **more)


CASES = (
    _bad("wrong-command", shop.server(command=["/bin/no-such-program"])),
    _bad("wrong-program", breaks=_program),
    _bad("wrong-setting", breaks=_bad_data_too),
    _bad("exits-at-once", shop.env(SHOP_EXIT_CODE="0", SHOP_EXIT_AFTER="0s")),
    _bad("wrong-port", shop.env(SHOP_PORT="9090"), shop.deadline()),
    _bad("wrong-readiness", *_NOT_THERE, shop.deadline()),
    _bad("wrong-liveness", _LIVENESS, reason="Stable"),
    _bad("wrong-startup", _STARTUP),
    _bad("wrong-key", _KEY),
    _bad("no-such-volume", _mounted(configMap={"name": "not-there"})),
    _bad("no-such-claim", _mounted(persistentVolumeClaim={"claimName": "not-there"})),
    _bad("no-such-node", _DISK),
    _bad("no-such-account", _NO_ACCOUNT),
    _bad("too-large", _HUGE),
    _bad("not-allowed", shop.server(securityContext={"privileged": True})),
    _bad("over-quota", shop.memory("200Mi"), before=_bounded("ResourceQuota", hard={"limits.memory": "160Mi"})),
    _bad(
        "over-limit-range",
        shop.memory("200Mi"),
        before=_bounded("LimitRange", limits=[{"type": "Container", "max": {"memory": "100Mi"}}]),
    ),
    _bad("apart", _APART, good=(shop.replicas(2),), reason="Stable"),
    _bad("port-taken", before=_squatted, breaks=shop.applied(shop.release(2), _host_port(31999))),
    _bad("sidecar-takes-port", _beside("sidecar"), reason=""),
    _bad("native-sidecar-crashes", _beside("sidecar", "initContainers", restartPolicy="Always", command=["/none"])),
    shop.escalated(
        "init-hangs",
        shop.applied(),
        shop.applied(shop.release(2), _beside("prepare", "initContainers"), shop.deadline()),
        "InitContainerRunning",
        "bad_release",
    ),
    _bad("all-at-once", _RULES, shop.env(SHOP_REQUIRE_ENV="TOKEN"), good=(shop.replicas(3), _RULES), reason="Stable"),
    _bad(
        "recreate",
        shop.env(SHOP_REQUIRE_ENV="TOKEN"),
        good=(shop.replicas(2), shop.spec(strategy={"type": "Recreate"})),
        reason="Stable",
    ),
    _bad("no-history", shop.env(SHOP_REQUIRE_ENV="TOKEN"), good=(shop.spec(revisionHistoryLimit=0),)),
    _bad(
        "four-releases",
        breaks=_one_after_the_other(shop.env(SHOP_REQUIRE_ENV="A"), shop.server(image="prunella.local/none:1"), _KEY),
    ),
    shop.healed(
        "leaking-release",
        shop.applied(),
        shop.applied(shop.release(2), shop.env(SHOP_LEAK_MIB_PER_S="20"), _LATE),
        "pod_oom_killed",
        reason="",  # it may be ready for a moment between two kills, and then the pod before goes
        writes=5,
        policy={"verification": {"window": "20s", "timeout": "90s"}},
        slow=True,
    ),
    _bad("stateful-readiness", *_NOT_THERE, **STATEFUL, slow=True),
    _bad("stateful-node", _DISK, good=(shop.replicas(2),), **STATEFUL),
    _bad("stateful-image", shop.server(image="prunella.local/none:1"), good=(shop.replicas(2),), **STATEFUL),
    _bad("stateful-key", _KEY, **STATEFUL),
    _bad(
        "stateful-not-allowed",
        shop.server(securityContext={"privileged": True}),
        good=(shop.replicas(2),),
        kind="StatefulSet",
    ),
    _bad(
        "stateful-parallel",
        shop.env(SHOP_REQUIRE_ENV="TOKEN"),
        good=(shop.replicas(3), shop.spec(podManagementPolicy="Parallel")),
        **STATEFUL,
        spared=1,
    ),
    _bad("stateful-parted", _PARTED, shop.env(SHOP_REQUIRE_ENV="TOKEN"), good=(shop.replicas(2),), **STATEFUL),
    _bad("stateful-by-hand", before=shop.applied(*_BY_HAND), breaks=_on_delete, **STATEFUL),
    _bad("daemon-image", shop.server(image="prunella.local/none:1"), kind="DaemonSet"),
    _bad("daemon-readiness", *_NOT_THERE, kind="DaemonSet", slow=True),
    _bad("daemon-key", _KEY, kind="DaemonSet"),
    _bad("daemon-too-large", _HUGE, kind="DaemonSet"),
    _bad("daemon-recreated", breaks=_recreated, kind="DaemonSet"),
    shop.healed("daemon-oom", shop.applied(), shop.restarted(SHOP_MEMORY_MIB="90"), "pod_oom_killed", kind="DaemonSet"),
)
