"""Command lines of etcd, API server, controller manager and scheduler, and the audit policy."""

import json
from pathlib import Path
from typing import Any

from localcluster import build, certs
from localcluster.instance import Instance
from localcluster.processes import Component

READS = ["get", "list", "watch"]
ETCD_URL = "http://127.0.0.1:2379"
"""Plain and on loopback: the cluster's own network namespace has no other users."""
FAST_CLIENT = ("--kube-api-qps=500", "--kube-api-burst=1000", "--leader-elect=false")


def components(instance: Instance) -> list[Component]:
    """In the order in which they are started."""
    return [etcd(instance), api_server(instance), controller_manager(instance), scheduler(instance)]


def etcd(instance: Instance) -> Component:
    """Without fsync: the data need not survive a power cut, and disks of small machines are slow."""
    peer = "http://127.0.0.1:2380"
    command = (
        str(build.binary("etcd")),
        f"--data-dir={instance.folder / 'etcd'}",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--quota-backend-bytes=4294967296",
        "--unsafe-no-fsync",
    )
    return Component("etcd", command, "2379, 2380")


def api_server(instance: Instance) -> Component:
    """RBAC, audit log and the aggregation layer as in production; limits high enough for benchmarks."""
    pki = certs.folder(instance)
    command = (
        str(build.binary("kube-apiserver", minor=instance.kubernetes)),
        f"--etcd-servers={ETCD_URL}",
        f"--advertise-address={instance.address}",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        f"--service-cluster-ip-range={instance.services}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'service-account.pub'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",  # there is no DNS for node names
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy.key'}",
        "--enable-aggregator-routing=true",
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=1000",
        *_audit_flags(instance),
    )
    return Component("kube-apiserver", command, "6443")


def _audit_flags(instance: Instance) -> tuple[str, ...]:
    if not instance.audit:
        return ()
    return (
        f"--audit-policy-file={audit_policy_file(instance)}",
        f"--audit-log-path={instance.folder / 'audit.log'}",
        "--audit-log-maxsize=200",
        "--audit-log-maxbackup=1",
        "--audit-log-mode=blocking",  # a test reads the log right after the write it is about
    )


def audit_policy_file(instance: Instance) -> Path:
    """Path of the policy."""
    return instance.folder / "audit-policy.json"


def write_audit_policy(instance: Instance) -> None:
    """Written at each start, so that a newer version of this tool is obeyed."""
    audit_policy_file(instance).write_text(json.dumps(audit_policy(), indent=2) + "\n")


def audit_policy() -> dict[str, Any]:
    """Every write to a user's object with its content; no reads, no heart beats, never the content of a Secret."""
    written = ["", "apps", "batch", "autoscaling", "policy", "rbac.authorization.k8s.io", "prunella.dev"]
    rules = [
        {"level": "None", "verbs": READS},
        {"level": "None", "users": ["system:apiserver"]},  # thousands of built-in objects at the first start
        {"level": "None", "namespaces": ["kube-system", "kube-node-lease", "kube-public"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {
            "level": "Metadata",
            "resources": [
                {
                    "group": "",
                    "resources": ["secrets", "serviceaccounts/token", "events", "nodes", "nodes/status"],
                },
                {"group": "events.k8s.io"},
            ],
        },
        {"level": "RequestResponse", "resources": [{"group": group} for group in written]},
        {"level": "Metadata"},
    ]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": rules,
    }


def controller_manager(instance: Instance) -> Component:
    """All controllers, each under its own service account as in production."""
    pki = certs.folder(instance)
    command = (
        str(build.binary("kube-controller-manager", minor=instance.kubernetes)),
        f"--kubeconfig={pki / 'controller-manager.kubeconfig'}",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--use-service-account-credentials=true",
        f"--flex-volume-plugin-dir={instance.folder / 'kubelet-plugins'}",  # it creates the folder
        *FAST_CLIENT,
    )
    return Component("kube-controller-manager", command, "10257")


def scheduler(instance: Instance) -> Component:
    """The scheduler."""
    kubeconfig = certs.folder(instance) / "scheduler.kubeconfig"
    command = (
        str(build.binary("kube-scheduler", minor=instance.kubernetes)),
        f"--kubeconfig={kubeconfig}",
        *FAST_CLIENT,
    )
    return Component("kube-scheduler", command, "10259")
