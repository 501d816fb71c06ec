"""The worker's autoscaler as it is shipped, with a real server of external metrics between it and a real Temporal.

The Deployment is that of the overlay with another program in its pods, which asks for no tasks: they wait until a real
worker is started beside it.
"""

import json

import pytest
import yaml
from support import monitoring as monitored
from support.access_control import HOME, MANIFESTS
from support.api import path_of, until
from support.autoscaling import MISSING, VALID, Autoscaler, Queue, assert_follows_queue, the_worker, workers
from support.deployments import gone
from support.documented_commands import commands_of, typed
from support.external_metrics import prometheus_adapter
from support.outage import Temporal
from support.prunella import PrunellaProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600, func_only=True)]

OVERLAY = MANIFESTS / "overlays" / "production"
SHOW_COMMANDS = [command for command in commands_of("docs/install.md", "With prometheus-adapter") if " get " in command]


@pytest.fixture(scope="module")
def monitoring(cluster):
    return monitored.start(cluster)


@pytest.fixture(scope="module")
def temporal(tmp_path_factory):
    server = Temporal(tmp_path_factory.mktemp("temporal"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def operator(cluster, monitoring, temporal, tmp_path_factory):
    """A real one, as two targets of Prometheus, because in production two of them measure the same queue."""
    host = str(monitoring.instance.host_address)
    settings = {"temporal_address": temporal.address, "namespaces": HOME, "http_host": host}
    file = monitoring.targets / "autoscaling.json"
    with PrunellaProcess(tmp_path_factory.mktemp("operator"), cluster.kubeconfig, "operator", **settings) as process:
        target = f"{host}:{process.settings['http_port']}"
        twice = [{"targets": [target], "labels": {"namespace": HOME, "pod": pod}} for pod in ("one", "another")]
        file.write_text(json.dumps(twice))
        yield process
        file.unlink()


@pytest.fixture
def adapter(monitoring, operator, api, tmp_path):
    """prometheus-adapter, for this test."""
    with prometheus_adapter(monitoring.instance, api, monitoring.prometheus, tmp_path):
        yield


@pytest.fixture
def queue(temporal, cluster, tmp_path):
    worker = PrunellaProcess(tmp_path / "worker", cluster.kubeconfig, "worker", temporal_address=temporal.address)
    yield Queue(temporal.address, worker)
    worker.stop()


@pytest.fixture(scope="module")
def rendered(cluster):
    """The objects of the overlay."""
    return [document for document in yaml.safe_load_all(cluster.kubectl("kustomize", str(OVERLAY))) if document]


@pytest.fixture
def target(api, system_namespace, rendered):
    """The worker's Deployment."""
    with workers(api, rendered) as path:
        yield path


@pytest.fixture
def autoscaler(api, target, rendered):
    """The autoscaler of the overlay."""
    manifest = the_worker(rendered, "HorizontalPodAutoscaler")
    api.apply(manifest)
    yield Autoscaler(api, path_of(manifest), target)
    gone(api, path_of(manifest))


def skip_stabilisation(api, path):
    """Scale down at once from now on, not after five minutes."""
    api.patch(path, {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}})


def test_workers_come_with_what_waits_and_go_with_it(adapter, autoscaler, queue, api, cluster):
    until(lambda: autoscaler.condition("ScalingActive") == VALID and autoscaler.depth() == 0, 120, "nothing waits")
    assert autoscaler.replicas == 2
    printed = (typed(command, cluster.kubeconfig, {}) for command in SHOW_COMMANDS)
    assert_follows_queue(autoscaler, queue, printed, lambda: skip_stabilisation(api, autoscaler.path))


def test_while_the_figure_is_missing_no_worker_goes(monitoring, operator, autoscaler, api, tmp_path):
    skip_stabilisation(api, autoscaler.path)
    api.patch(autoscaler.target, {"spec": {"replicas": 3}})
    until(lambda: autoscaler.condition("ScalingActive") == MISSING, 120, "by CPU alone it would go down, and may not")
    assert autoscaler.replicas == 3
    with prometheus_adapter(monitoring.instance, api, monitoring.prometheus, tmp_path):
        until(lambda: autoscaler.replicas == 2, 240, "with the figure it does")
