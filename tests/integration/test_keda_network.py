"""Access to a Temporal of manifests/temporal under its NetworkPolicies, before and after KEDA's is added."""

import pytest
from support.access_control import MANIFESTS
from support.api import until
from support.deployments import IMAGE, gone
from support.documented_commands import commands_of, typed
from support.installation import instance_of
from support.network_policies import enforced

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300, func_only=True)]

TEMPORAL, KEDA, OTHERS = "temporal", "keda", "prunella-tests-keda"
(LETS_IN,) = [command for command in commands_of("docs/install.md", "With KEDA") if " apply " in command]


@pytest.fixture(scope="module")
def namespaces(api):
    for name in (TEMPORAL, KEDA, OTHERS):
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield
    for name in (TEMPORAL, KEDA, OTHERS):
        gone(api, f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def in_force(cluster, namespaces, tmp_path_factory):
    cluster.kubectl("-n", TEMPORAL, "apply", "--server-side", "-f", str(MANIFESTS / "temporal" / "network.yaml"))
    with enforced(instance_of(cluster), tmp_path_factory.mktemp("network")):
        yield


def a_pod(api, namespace, name, again="Never", **env):
    """A pod of the shop under a name that others know it by."""
    container = {"name": "any", "image": f"{IMAGE}:1", "imagePullPolicy": "IfNotPresent"}
    container["env"] = [{"name": key, "value": value} for key, value in env.items()]
    container["readinessProbe"] = {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1}
    container["ports"] = [{"name": "rpc", "containerPort": 8080}]
    spec = {"containers": [container], "restartPolicy": again, "terminationGracePeriodSeconds": 0}
    meta = {"name": name, "namespace": namespace, "labels": {"app": name, "app.kubernetes.io/name": name}}
    api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def status(api, pod):
    return api.get(pod).get("status", {})


def restarts(api, pod):
    """The number of its failures: it exits at once when it cannot reach what it depends on."""
    return sum(container["restartCount"] for container in status(api, pod).get("containerStatuses", ()))


def runs(api, pod):
    return any(container["ready"] for container in status(api, pod).get("containerStatuses", ()))


def test_kedas_operator_reaches_temporal_when_it_is_let_in_and_nobody_else_does(in_force, api, cluster):
    frontend = a_pod(api, TEMPORAL, "temporal-frontend")
    until(lambda: runs(api, frontend), 60, "the frontend runs")
    needs = {"SHOP_DEPENDS_ON": f"{status(api, frontend)['podIP']}:8080"}
    operator = a_pod(api, KEDA, "keda-operator", "Always", **needs)
    until(lambda: restarts(api, operator), 90, "it is refused")
    typed(LETS_IN, cluster.kubeconfig, {})
    until(lambda: runs(api, operator), 120, "it is let in")
    for namespace, name in ((KEDA, "keda-metrics-apiserver"), (OTHERS, "keda-operator")):
        stranger = a_pod(api, namespace, name, **needs)
        until(lambda pod=stranger: status(api, pod).get("phase") == "Failed", 60, f"{namespace}/{name} is refused")
