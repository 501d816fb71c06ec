"""Prunella with a real Prometheus and metrics-server: what pods use, and what the checks of a policy decide.

Runs first, as every module that starts its own Prunella does: two of them would heal each other's faults.
"""

import secrets
from contextlib import ExitStack

import pytest
from support import monitoring as monitored
from support import samples
from support.api import until
from support.cases.run import CLOSED
from support.deployments import a_deployment, a_namespace, available, ref_of
from support.prunella import PrunellaProcess

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.metrics.port import NotConfigured
from prunella_operator.metrics.prometheus import Prometheus
from prunella_operator.metrics.usage import UsageReader
from prunella_workflows.model import promql
from prunella_workflows.model.evidence import Usage
from prunella_workflows.model.measurement import NoData, Why

pytestmark = [pytest.mark.e2e, pytest.mark.run_first, pytest.mark.faults, pytest.mark.timeout(480, func_only=True)]

MI = 1 << 20
USED = 'max(container_memory_working_set_bytes{namespace="$namespace",pod=~"$pods",container="app"})'


@pytest.fixture(scope="module")
def monitoring(cluster):
    return monitored.start(cluster)


@pytest.fixture(scope="module")
def prometheus(monitoring):
    return Prometheus(monitoring.prometheus, 5)


@pytest.fixture(scope="module")
def kube(cluster):
    return SyncClient(load_access(str(cluster.kubeconfig), cluster.context))


@pytest.fixture(scope="module")
def namespaces(cluster):
    """Three namespaces in which healing is allowed, and one in which nothing is broken."""
    run = secrets.token_hex(2)
    made = {
        name: a_namespace(cluster.api, f"e2e-metrics-{name}-{run}-", heal="enabled")
        for name in ("holds", "fails", "away", "calm")
    }
    yield made
    for name in made.values():
        cluster.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def watching(account, monitoring, namespaces, tmp_path_factory):
    """Prunella, with this Prometheus, for these namespaces."""
    folder = tmp_path_factory.mktemp("prunella-metrics")
    settings = {"namespaces": ",".join(namespaces.values()), "prometheus_url": monitoring.prometheus}
    with PrunellaProcess(folder, account.kubeconfig, prometheus_timeout=2, **settings) as process:
        yield process


# What pods use


@pytest.fixture(scope="module")
def pods(cluster, kube, namespaces):
    """One pod that holds 40 MiB, and that keeps a fifth of a core busy by visiting itself."""
    visits = {"SHOP_VISIT": "127.0.0.1:8080", "SHOP_VISITS_PER_S": "10", "SHOP_CPU_PER_REQUEST": "20ms"}
    env = {"SHOP_MEMORY_MIB": "40", **visits}
    web = available(cluster.api, cluster.api.apply(a_deployment(namespaces["calm"], replicas=1, env=env))[0])
    _, workload, found = EvidenceCollector(kube, 30).view(ref_of(web))
    return workload.ref, found


@pytest.mark.parametrize("by", ["Prometheus", "metrics-server"])
def test_what_a_pod_uses(kube, prometheus, pods, by):
    reader = UsageReader(kube, prometheus if by == "Prometheus" else NotConfigured())

    def measured():
        usage = reader.now(*pods)
        complete = isinstance(usage, Usage) and all(container.cpu_cores is not None for container in usage.containers)
        return usage if complete and usage.source == by else None

    usage = until(measured, 90, f"a measurement by {by}", every=1)
    (read,) = usage.containers
    assert read.container == "app"
    assert 38 * MI < read.memory_bytes < 60 * MI
    assert 0.02 < read.cpu_cores < 0.5, "the first samples are of its start"


def test_the_history_of_a_pods_memory(kube, prometheus, pods):
    reader = UsageReader(kube, prometheus)

    def grown():
        found = reader.growth(*pods)
        return found if not isinstance(found, NoData) and found[-1].last.value > 30 * MI else None

    found = until(grown, 90, "a history of all that it holds", every=1)
    assert {series.labels["container"] for series in found} == {"app"}


# What a real Prometheus answers


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("up{", Why.REFUSED),
        ("no_such_metric", Why.EMPTY),
        ("0 / 0", Why.NOT_A_NUMBER),
        ('container_memory_working_set_bytes{namespace!=""}', Why.SEVERAL),
        ("sum(up) and on() no_such_metric", Why.EMPTY),
        ("label_replace(up, 'a', '$1', 'b', '(.*')", Why.REFUSED),
    ],
)
def test_what_is_no_number(prometheus, query, why):
    answer = until(lambda: prometheus.value(query), 5, "an answer")
    assert isinstance(answer, NoData)
    assert answer.why is why


def test_a_number(prometheus):
    assert prometheus.value("vector(1)").value == 1
    assert prometheus.value("scalar(vector(2))").value == 2
    assert prometheus.value("1 / 0").value == float("inf")


@pytest.mark.parametrize(
    "name",
    ['"} or vector(1) #', "\\", "'", "`", "a|b.*", "\n\r\t\x00\x1b", "\u00e9\U0001f33f", "\ud800", "[^", "$1"],
    ids=ascii,
)
def test_hostile_names_are_names_to_prometheus(prometheus, name):
    """Each of them is valid and selects nothing."""
    template = 'count({%s=\'$namespace\'} or {%s=~"x-$workload.*",a=~\'$pods\'} or {%s!~"",kind="$kind"})'
    query = promql.fill(template.replace("%s", "container"), promql.Values(name, name, name, [name, name]))
    answer = prometheus.value(query)
    assert isinstance(answer, NoData)
    assert answer.why is Why.EMPTY, answer.message


def test_no_pods_select_nothing(prometheus):
    everything = promql.fill('count(up{pod=~"$pods"})', promql.Values("a", "b", "c", ()))
    assert prometheus.value(everything).why is Why.EMPTY


# What checks decide


def broken(api, namespace, threshold, **verification):
    """A Deployment that needs more memory than its limit, under a policy with one check of its usage."""
    check = {"name": "memory", "query": USED, "operator": ">", "threshold": threshold}
    rule = {"window": "6s", "timeout": "30s", "checks": [check], **verification}
    api.apply(samples.policy(namespace, limits={"attempts": 1}, verification=rule))
    api.apply(a_deployment(namespace, replicas=1, memory="64Mi", env={"SHOP_MEMORY_MIB": "90"}))


def closed(api, namespace):
    def incident():
        ended = (item for item in api.incidents(namespace) if (item.get("status") or {}).get("phase") in CLOSED)
        return next(ended, None)

    return until(incident, 300, f"an incident in {namespace} is closed")["status"]


def limit(api, namespace):
    live = api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/web")
    return live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]


@pytest.fixture(scope="module")
def both(cluster, watching, namespaces):
    """The two faults at once: after the repair the pod uses about 92 MiB, which takes a while to be measured."""
    broken(cluster.api, namespaces["holds"], 80 * MI, timeout="90s")
    broken(cluster.api, namespaces["fails"], 200 * MI, timeout="40s")
    return namespaces


def test_a_check_that_is_true_heals(cluster, both):
    status = closed(cluster.api, both["holds"])
    assert (status["phase"], status["reason"]) == ("Healed", "Stable")
    (attempt,) = status["attempts"]
    assert "1 check(s) pass" in attempt["message"]
    assert limit(cluster.api, both["holds"]) == "128Mi"


def test_a_check_that_stays_false_undoes(cluster, both):
    status = closed(cluster.api, both["fails"])
    assert (status["phase"], status["reason"]) == ("Escalated", "AttemptsExhausted")
    (attempt,) = status["attempts"]
    assert (attempt["verdict"], attempt["undone"]) == ("NotHealed", True)
    assert "check memory is 9" in attempt["message"]
    assert "and must be > 2.09715e+08" in attempt["message"]
    assert limit(cluster.api, both["fails"]) == "64Mi"


def test_a_prometheus_that_is_down_is_a_matter_for_people(cluster, monitoring, watching, both):
    closed(cluster.api, both["holds"])
    closed(cluster.api, both["fails"])
    with ExitStack() as afterwards:
        afterwards.callback(monitoring.start)
        monitoring.stop("prometheus")
        broken(cluster.api, both["away"], 80 * MI, timeout="20s")
        status = closed(cluster.api, both["away"])
    assert (status["phase"], status["reason"]) == ("Escalated", "ChecksUnavailable")
    assert "check memory has no result: Prometheus cannot be reached: Connection refused" in status["message"]
    (attempt,) = status["attempts"]
    assert (attempt["verdict"], attempt.get("undone", False)) == ("Inconclusive", False)
    assert limit(cluster.api, both["away"]) == "128Mi", "what is not understood is not touched again"
