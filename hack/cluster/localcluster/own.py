"""Start and stop our own cluster. Every step looks first, so that starting again repairs whatever is missing."""

import time
from collections.abc import Callable
from contextlib import suppress

from localcluster import (
    alertmanager,
    api,
    build,
    certs,
    cgroups,
    controlplane,
    images,
    monitoring,
    mounts,
    network,
    node,
    processes,
    simulated,
    sources,
    tools,
)
from localcluster import instance as instances
from localcluster.console import ClusterError, attempt, say
from localcluster.instance import Instance
from localcluster.monitoring import Alerts
from localcluster.processes import Component

CONTROLLERS = ("kube-scheduler", "kube-controller-manager")


def components(instance: Instance) -> list[Component]:
    """All parts, in the order of starting."""
    rest = simulated.components(instance) if instance.simulated else node.components(instance)
    more = monitoring.components(instance) if instance.monitoring else []
    return [*controlplane.components(instance), *rest, *more]


def up(
    name: str, *, simulate: bool, audit: bool, nodes: int, alerts: Alerts | None = None, kubernetes: str = ""
) -> Instance:
    """Make the cluster of this name, or complete it: also with monitoring, once it was said where alerts go."""
    present = instances.load(instances.check_name(name))
    if present:
        _assert_same_sort(present, simulate, kubernetes)
    if present and alerts is None and healthy(present):
        say(f"`{name}` is already running: {present.url}")
        return present
    watched = alerts is not None or (present is not None and present.monitoring)
    tools.ensure(simulate)
    minor = present.kubernetes if present else kubernetes
    build.build(simulate, watched, minor)
    if watched:
        alertmanager.ensure()
    instance = present or instances.create(
        name, network.in_use(), simulated=simulate, audit=audit, nodes=nodes, kubernetes=minor
    )
    instance = instances.with_monitoring(instance) if watched else instance
    try:
        _start(instance, alerts or Alerts())
    except BaseException:
        if present is None:
            say("stopping what was started")
            down(instance)
        raise
    return instance


def _assert_same_sort(present: Instance, simulate: bool, kubernetes: str) -> None:
    """Without a version any will do."""
    advice = "choose another --name, or `down` first"
    if present.simulated != simulate:
        raise ClusterError(f"`{present.name}` is a {_sort(present.simulated)} cluster: {advice}")
    version = sources.kubernetes(present.kubernetes).version
    if kubernetes and sources.kubernetes(kubernetes).version != version:
        raise ClusterError(f"`{present.name}` is a cluster of Kubernetes {version}: {advice}")


def _sort(simulate: bool) -> str:
    return "simulated" if simulate else "real"


def healthy(instance: Instance) -> bool:
    """Is every part alive and the API server serving?"""
    alive = all(processes.pid_of(instance, part.name) for part in components(instance))
    return alive and api.ready(instance) and api.usable(instance)


def _start(instance: Instance, alerts: Alerts) -> None:
    began = time.monotonic()
    certs.ensure(instance)
    network.ensure(instance)
    controlplane.write_audit_policy(instance)
    if instance.monitoring:
        monitoring.prepare(instance, alerts)
    parts = {part.name: part for part in components(instance)}
    _start_all(instance, parts, "etcd", "kube-apiserver")
    if not instance.simulated:
        _prepare_node(instance, parts["containerd"])
    _wait(instance, "API server", lambda: api.ready(instance), "kube-apiserver")
    _start_all(instance, parts, *parts)
    if instance.simulated:
        simulated.create_nodes(instance)
    _wait(instance, "nodes", lambda: api.node_ready(instance), "kwok" if instance.simulated else "kubelet")
    _wait(instance, "default service account", lambda: api.usable(instance), "kube-controller-manager")
    if instance.monitoring:
        _watch(instance)
    say(f"`{instance.name}` is ready after {time.monotonic() - began:.0f} s: {instance.url}")


def _start_all(instance: Instance, parts: dict[str, Component], *names: str) -> None:
    for name in names:
        if processes.pid_of(instance, name) is None:
            processes.start(instance, parts[name])


def _watch(instance: Instance) -> None:
    """Connect the monitoring, which was started with the rest."""
    monitoring.register(instance)
    _wait(instance, "monitoring", lambda: monitoring.ready(instance), "prometheus")
    monitoring.reload(instance)
    say(f"Prometheus is at {monitoring.url(instance, monitoring.PROMETHEUS_PORT)}")


def _prepare_node(instance: Instance, containerd: Component) -> None:
    node.write_configuration(instance)
    cgroups.ensure(instance)
    _start_all(instance, {"containerd": containerd}, "containerd")
    _wait(instance, "containerd", lambda: images.runtime_ready(instance), "containerd")
    images.ensure(instance)


def _wait(instance: Instance, what: str, condition: Callable[[], bool], component: str) -> None:
    """Wait as long as the component lives; its last words are the best explanation of a failure."""

    def settled() -> bool:
        return condition() or processes.pid_of(instance, component) is None

    in_time = processes.wait_until(settled, 120, every=0.1)
    if in_time and condition():
        return
    log = instance.log(component)
    words = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    raise ClusterError(f"{what} did not become ready; the end of {log}:\n{words}")


def down(instance: Instance) -> None:
    """Stop everything and delete every trace; each step works on what an interrupted start left, too."""
    parts = [part.name for part in components(instance)]
    # Without controllers the pods that are deleted next are not replaced.
    processes.stop(instance, CONTROLLERS, grace=1)
    if not instance.simulated and processes.pid_of(instance, "kubelet"):
        _delete_pods(instance)
    processes.stop(instance, reversed(parts), grace=3)
    if not instance.simulated:
        processes.end(cgroups.members(instance), grace=0)
        processes.end(processes.mentioning(str(instance.containerd_socket)), grace=0)
        mounts.unmount_all(instance)
        mounts.remove_strays(instance)
        stuck = cgroups.remove(instance)
        if stuck:
            say(f"could not remove control groups: {', '.join(map(str, stuck))}")
    network.remove(instance)
    instances.forget(instance)


def _delete_pods(instance: Instance) -> None:
    """The tidy way: the kubelet unmounts, the runtime removes. What it leaves is cleared up afterwards."""
    delete = ("delete", "pods", "--all", "--all-namespaces", "--grace-period=1", "--timeout=15s", "--wait")
    with suppress(ClusterError):  # an API server that hangs must not keep us from ending it
        attempt(
            build.binary("kubectl", minor=instance.kubernetes), "--kubeconfig", instance.kubeconfig, *delete, timeout=20
        )
