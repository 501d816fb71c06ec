"""Alerts about a real Prunella that is in trouble, fired by a real Prometheus: so the rules know its names and labels.

The API server and, where that is meant, Temporal are nowhere, so no cluster is needed. How long the rules wait is left
out here; their cases for promtool have that.
"""

import pytest
import yaml
from localcluster.ports import free_ports
from support.api import until
from support.prometheus import RULES, prometheus_of
from support.prunella import PrunellaProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180, func_only=True)]

ALONE = {"PrunellaDown", "PrunellaWorkerDown", "PrunellaSensorBlind", "PrunellaTemporalUnreachable"}


@pytest.fixture
def hasty(tmp_path):
    """The shipped rules without their delays."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        rule["for"] = "3s"
    (path := tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    return path


def scraped(process):
    """Its metrics, or None while it does not respond."""
    try:
        return process.http("/metrics")
    except OSError:
        return None


def fires(prometheus, *names):
    """Exactly these of the alerts about its processes fire."""
    until(lambda: prometheus.alerts() & ALONE == set(names), 60, f"{names} fire, and no other", every=1)


def test_a_blind_operator_and_one_that_is_gone(tmp_path, unreachable_kubeconfig, hasty):
    process = PrunellaProcess(tmp_path / "run", unreachable_kubeconfig)
    try:
        process.start()
        until(lambda: scraped(process), 60, "it serves its metrics")
        with prometheus_of(tmp_path, [process.settings["http_port"]], hasty) as prometheus:
            fires(prometheus, "PrunellaSensorBlind")
            blind = {series["metric"]["part"] for series in prometheus.query("prunella_ready == 0")}
            assert {"pods", "jobs", "deployments", "statefulsets", "daemonsets"} <= blind
            process.stop()
            fires(prometheus, "PrunellaDown", "PrunellaWorkerDown")
    finally:
        process._end()


def test_an_operator_alone_that_reaches_no_temporal(tmp_path, unreachable_kubeconfig, hasty):
    away = f"127.0.0.1:{free_ports(1)[0]}"
    process = PrunellaProcess(tmp_path / "operator", unreachable_kubeconfig, "operator", temporal_address=away)
    try:
        process.start()
        until(lambda: scraped(process), 60, "it serves its metrics")
        with prometheus_of(tmp_path, [process.settings["http_port"]], hasty) as prometheus:
            fires(prometheus, "PrunellaSensorBlind", "PrunellaTemporalUnreachable", "PrunellaWorkerDown")
    finally:
        process._end()
