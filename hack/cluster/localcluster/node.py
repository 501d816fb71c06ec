"""The one real node: container runtime, kubelet, kube-proxy, their configuration, and the pod network."""

import json
from typing import Any

from localcluster import build, certs, sources
from localcluster.instance import Instance
from localcluster.processes import Component

PAUSE = "prunella.local/pause:1"
CONTAINERD_CONFIG = """version = 3
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"

[grpc]
  address = "{socket}"

# Two plugins that would use places outside the state folder.
[plugins.'io.containerd.internal.v1.opt']
  path = "{folder}/containerd/opt"

[plugins.'io.containerd.nri.v1.nri']
  disable = true

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{pause}"

# Without a registry, an image that was not loaded would be one whose registry is away.
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "{folder}/containerd/registries"

[plugins.'io.containerd.cri.v1.runtime']
  # A machine without CAP_SYS_RESOURCE refuses to lower the OOM score, and runc would die of it.
  restrict_oom_score_adj = true
  # Below the state folder, so that `down` finds the pods' network namespaces.
  netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dir = "{cni}"
  conf_dir = "{folder}/cni"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  Root = "{folder}/containerd/runc"
  SystemdCgroup = false
"""

REGISTRY = """# The kubelet's server of health checks answers 404 to all else: no such image.
server = "http://127.0.0.1:10248"
[host."http://127.0.0.1:10248"]
  capabilities = ["pull", "resolve"]
"""


def components(instance: Instance) -> list[Component]:
    """In the order in which they are started."""
    return [containerd(instance), kubelet(instance), kube_proxy(instance)]


def containerd(instance: Instance) -> Component:
    """The container runtime; it looks for its shim on PATH."""
    command = (
        str(build.binary("containerd")),
        "--config",
        str(instance.folder / "containerd" / "config.toml"),
    )
    return Component("containerd", command, path=str(build.folder(sources.CONTAINERD)))


def kubelet(instance: Instance) -> Component:
    """The node agent."""
    command = (
        str(build.binary("kubelet", minor=instance.kubernetes)),
        f"--config={instance.folder / 'kubelet.json'}",
        f"--kubeconfig={certs.folder(instance) / 'kubelet.kubeconfig'}",
        f"--root-dir={instance.folder / 'kubelet'}",
        f"--hostname-override={instance.node}",
        f"--node-ip={instance.address}",
        *_cadvisor_flags(instance),
    )
    return Component("kubelet", command, "10250")


def _cadvisor_flags(instance: Instance) -> tuple[str, ...]:
    """Up to 1.36 cAdvisor looks for a containerd of this machine, and would have no figures of containers."""
    if sources.kubernetes(instance.kubernetes).numbers > (1, 36):
        return ()
    return (f"--containerd={instance.containerd_socket}",)


def kube_proxy(instance: Instance) -> Component:
    """Service addresses by iptables; no conntrack limits, since small machines forbid to change them."""
    command = (
        str(build.binary("kube-proxy", minor=instance.kubernetes)),
        f"--kubeconfig={certs.folder(instance) / 'proxy.kubeconfig'}",
        f"--hostname-override={instance.node}",
        "--proxy-mode=iptables",
        "--iptables-localhost-nodeports=false",
        "--iptables-min-sync-period=100ms",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--oom-score-adj=0",
    )
    return Component("kube-proxy", command, "10256")


def write_configuration(instance: Instance) -> None:
    """Written at each start, so that a newer version of this tool, with newer paths, is obeyed."""
    for folder in ("cni", "kubelet", "kubelet-plugins", "pod-logs"):
        (instance.folder / folder).mkdir(parents=True, exist_ok=True)
    for name in ("prunella.local", "docker.io"):
        registry = instance.folder / "containerd" / "registries" / name
        registry.mkdir(parents=True, exist_ok=True)
        (registry / "hosts.toml").write_text(REGISTRY)
    (instance.folder / "containerd" / "config.toml").write_text(containerd_config(instance))
    (instance.folder / "cni" / "10-prunella.conflist").write_text(json.dumps(pod_network(instance), indent=2))
    (instance.folder / "kubelet.json").write_text(json.dumps(kubelet_config(instance), indent=2))


def containerd_config(instance: Instance) -> str:
    """Everything below the state folder: nothing is shared with a containerd of this machine."""
    return CONTAINERD_CONFIG.format(
        folder=instance.folder,
        socket=instance.containerd_socket,
        pause=PAUSE,
        cni=build.folder(sources.CNI),
        runc=build.binary("runc"),
    )


def pod_network(instance: Instance) -> dict[str, Any]:
    """One bridge; no masquerading, since the machine routes the pod range back through the cable."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(instance.folder / "cni" / "addresses"),
            "ranges": [[{"subnet": str(instance.pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": instance.netns, "plugins": [bridge, ports]}


def kubelet_config(instance: Instance) -> dict[str, Any]:
    """Crash loop back-off and sync frequency stay at their defaults: tests are to see what production sees."""
    pki = certs.folder(instance)
    full = dict.fromkeys(("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"), "1%")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(instance.address),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{instance.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{instance.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # The machine's disk is shared with other work: only a really full one may evict pods.
        "evictionHard": full,
        "imageGCHighThresholdPercent": 100,
        "maxPods": 500,  # the fault suite keeps its pods until its end
        "registryPullQPS": 0,
        # Not 0: the kubelet says "no limit" but means its client's own limit of 5, and is minutes behind in a crowd.
        "eventRecordQPS": 500,
        "eventBurst": 1000,
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 1000,
        "oomScoreAdj": 0,
        "resolvConf": "/dev/null",
        "podLogsDir": str(instance.folder / "pod-logs"),
        "volumePluginDir": str(instance.folder / "kubelet-plugins"),
    }
