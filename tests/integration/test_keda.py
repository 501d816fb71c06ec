"""Workers by a real KEDA: its operator and its metrics adapter, the ScaledObject of the component, and a real Temporal.

The Deployment is that of the overlay with another program in its pods, which asks for no tasks: they wait until a real
worker is started beside it.
"""

import pytest
import yaml
from support import monitoring as monitored
from support.access_control import HOME, MANIFESTS
from support.api import MANAGER, path_of, until
from support.autoscaling import MISSING, VALID, Autoscaler, Queue, assert_follows_queue, the_worker, workers
from support.deployments import gone
from support.documented_commands import commands_of, typed
from support.keda import defined, keda, with_keda
from support.outage import Temporal
from support.prunella import PrunellaProcess
from support.rendering import overlay

from prunella_operator.kubernetes.api import APPLY_PATCH
from prunella_operator.kubernetes.views.scaling import autoscaler_view
from prunella_workflows.model.errors import PrunellaError

pytestmark = [pytest.mark.integration, pytest.mark.keda, pytest.mark.timeout(600, func_only=True)]

NAMESPACE = "prunella"
"""Temporal's, as the overlay has it."""
COMMANDS = commands_of("docs/install.md", "With KEDA")
SHOW_COMMANDS = [command for command in COMMANDS if " get " in command]
(TAKES_AWAY,) = [command for command in COMMANDS if " delete " in command]
AUTOSCALER = f"/apis/autoscaling/v2/namespaces/{HOME}/horizontalpodautoscalers/keda-hpa-prunella-worker"


@pytest.fixture(scope="module")
def instance(cluster):
    """The cluster, with metrics-server for the CPU trigger."""
    return monitored.start(cluster).instance


@pytest.fixture
def temporal(tmp_path):
    server = Temporal(tmp_path / "temporal", NAMESPACE)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def away(temporal):
    """Temporal needs some time before it responds."""
    temporal.kill()
    return temporal


@pytest.fixture
def queue(temporal, cluster, tmp_path):
    theirs = {"temporal_address": temporal.address, "temporal_namespace": NAMESPACE}
    worker = PrunellaProcess(tmp_path / "worker", cluster.kubeconfig, "worker", **theirs)
    yield Queue(temporal.address, worker, NAMESPACE)
    worker.stop()


@pytest.fixture
def rendered(cluster, temporal, tmp_path):
    """The objects of the overlay with the component, for this Temporal."""
    return with_keda(cluster, tmp_path, temporal_address=temporal.address)


@pytest.fixture
def target(api, system_namespace, rendered):
    """The worker's Deployment."""
    with workers(api, rendered) as path:
        yield path


@pytest.fixture
def scaled(instance, api, target, rendered, tmp_path):
    """KEDA and the ScaledObject; yields its path."""
    scaled_object = the_worker(rendered, "ScaledObject")
    with keda(instance, api, tmp_path):
        api.apply(scaled_object)
        yield path_of(scaled_object)
        gone(api, path_of(scaled_object))
    assert api.find(AUTOSCALER) is None


@pytest.fixture
def autoscaler(scaled, api, target):
    """The autoscaler that KEDA makes, once it reads the backlog."""
    made = Autoscaler(api, AUTOSCALER, target)
    until(lambda: api.find(AUTOSCALER), 60, "KEDA makes an autoscaler")
    until(lambda: made.condition("ScalingActive") == VALID and made.depth() == 0, 120, "nothing waits")
    return made


def conditions(api, scaled):
    """The conditions of the ScaledObject, as KEDA reports them."""
    found = api.get(scaled).get("status", {}).get("conditions", ())
    return {(item["type"], item["status"], item.get("reason", "")) for item in found}


def skip_stabilisation(api, scaled):
    """Scale down at once from now on, not after five minutes. KEDA passes this on to its autoscaler."""
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    api.patch(scaled, {"spec": {"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}}})
    until(
        lambda: api.get(AUTOSCALER)["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 0, 30, "so told"
    )


def test_workers_come_with_what_waits_and_go_with_it(autoscaler, scaled, queue, api, cluster):
    until(lambda: autoscaler.replicas == 2, 60, "never fewer than two")
    printed = (typed(command, cluster.kubeconfig, {}) for command in SHOW_COMMANDS)
    assert_follows_queue(autoscaler, queue, printed, lambda: skip_stabilisation(api, scaled))


def test_while_temporal_is_away_no_worker_goes(autoscaler, scaled, temporal, api):
    skip_stabilisation(api, scaled)
    temporal.kill()
    api.patch(autoscaler.target, {"spec": {"replicas": 3}})
    until(lambda: autoscaler.condition("ScalingActive") == MISSING, 120, "by CPU alone it would go down, and may not")
    until(lambda: autoscaler.seen == 3, 60, "it has seen the third")
    assert autoscaler.replicas == 3
    temporal.start()
    until(lambda: autoscaler.replicas == 2, 240, "with the figure it does")


def test_kedas_definitions_allow_what_scales_the_telemetry_workers(instance, api, kube, system_namespace, tmp_path):
    rendered = overlay(tmp_path, "production", "telemetry", "telemetry-keda")
    query = {"fieldManager": MANAGER, "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
    with defined(api):
        for kind in ("ScaledObject", "TriggerAuthentication"):
            wanted = rendered[kind, "prunella-telemetry"]
            kube.call("PATCH", path_of(wanted), wanted, APPLY_PATCH, **query)
            wrong = {**wanted, "spec": {**wanted["spec"], "misspelt": 1}}
            with pytest.raises(PrunellaError, match="misspelt"):
                kube.call("PATCH", path_of(wrong), wrong, APPLY_PATCH, **query)


def test_until_temporal_answers_there_is_no_autoscaler(away, scaled, api):
    refused = {("Ready", "False", "ScaledObjectCheckFailed")}
    until(lambda: refused <= conditions(api, scaled), 60, "KEDA says so")
    assert api.find(AUTOSCALER) is None
    away.start()
    until(lambda: api.find(AUTOSCALER), 120, "KEDA makes an autoscaler")


def test_the_autoscaler_that_was_there_before_must_go(autoscaler, api, cluster):
    ours = yaml.safe_load_all(cluster.kubectl("kustomize", str(MANIFESTS / "overlays" / "production")))
    api.apply(the_worker(list(ours), "HorizontalPodAutoscaler"))
    until(lambda: autoscaler.condition("ScalingActive") == ("False", "AmbiguousSelector"), 120, "both stand still")
    typed(TAKES_AWAY, cluster.kubeconfig, {})
    until(lambda: autoscaler.condition("ScalingActive") == VALID, 120, "the other one goes on")


def test_prunella_sees_whose_autoscaler_it_is(autoscaler, api):
    assert autoscaler_view(api.get(AUTOSCALER)).operator == "ScaledObject/prunella-worker"
