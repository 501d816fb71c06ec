"""Scrape targets of the local Prometheus: those of a production one, with the same labels, and those from files."""

from pathlib import Path
from typing import Any

from localcluster import certs
from localcluster.instance import Instance

RULES = Path(__file__).resolve().parents[3] / "manifests" / "monitoring" / "rules.yaml"
"""The rules that Prunella ships."""
EVERY = "5s"
"""Short, so that tests are; the kubelet itself measures containers every ten seconds or so."""


def configuration(instance: Instance, folder: Path, alertmanager: int) -> dict[str, Any]:
    """The jobs of a usual installation, and our rules; more rules and targets are read from files below the folder."""
    alerts = {"static_configs": [{"targets": [f"{instance.address}:{alertmanager}"]}]}
    return {
        "global": {"scrape_interval": EVERY, "scrape_timeout": "4s", "evaluation_interval": EVERY},
        "rule_files": [str(RULES), str(folder / "rules" / "*.yaml"), str(folder / "rules" / "*.json")],
        "alerting": {"alertmanagers": [alerts]},
        "scrape_configs": [
            _kubelet(instance, "kubelet", "/metrics"),
            _kubelet(instance, "cadvisor", "/metrics/cadvisor"),
            {
                "job_name": "apiserver",
                "scrape_interval": "30s",  # most of all series
                **_tls(instance),
                "static_configs": [{"targets": [f"{instance.address}:6443"]}],
            },
            _annotated_pods(instance),
            {
                "job_name": "files",
                "file_sd_configs": [{"files": [str(folder / "targets" / "*.json")], "refresh_interval": EVERY}],
            },
        ],
    }


def _tls(instance: Instance) -> dict[str, Any]:
    pki = certs.folder(instance)
    files = {"ca_file": "ca.crt", "cert_file": "admin.crt", "key_file": "admin.key"}
    return {"scheme": "https", "tls_config": {key: str(pki / name) for key, name in files.items()}}


def _kubelet(instance: Instance, name: str, path: str) -> dict[str, Any]:
    """Both under the job `kubelet`, told apart by their path, as rules everywhere expect it.

    cAdvisor's samples have times of their own; without tracking them a dead container would linger for minutes.
    """
    return {
        "job_name": name,
        "metrics_path": path,
        "track_timestamps_staleness": True,
        **_tls(instance),
        "static_configs": [{"targets": [f"{instance.address}:10250"], "labels": {"node": instance.node}}],
        "relabel_configs": [
            {"target_label": "job", "replacement": "kubelet"},
            {"source_labels": ["__metrics_path__"], "target_label": "metrics_path"},
        ],
    }


def _annotated_pods(instance: Instance) -> dict[str, Any]:
    """Pods with the annotations prometheus.io/scrape, port and path."""
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io_{}"
    kubeconfig = str(certs.folder(instance) / "admin.kubeconfig")
    return {
        "job_name": "pods",
        "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": kubeconfig}],
        "relabel_configs": [
            {"action": "keep", "source_labels": [annotation.format("scrape")], "regex": "true"},
            {
                "source_labels": ["__meta_kubernetes_pod_ip", annotation.format("port")],
                "separator": ":",
                "target_label": "__address__",
            },
            {"source_labels": [annotation.format("path")], "regex": "(/.+)", "target_label": "__metrics_path__"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ],
    }
