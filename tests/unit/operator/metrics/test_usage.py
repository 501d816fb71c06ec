"""Usage of pods: queries, how responses are read, and how missing or invalid ones are handled."""

from datetime import timedelta

import pytest
from fakes.kube import FakeKube, failing
from fakes.metrics import FakeSource
from fakes.objects import WEB, a_pod

from prunella_operator import clock
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.metrics.port import NotConfigured
from prunella_operator.metrics.usage import UsageReader
from prunella_workflows.model.errors import Forbidden, Unavailable
from prunella_workflows.model.evidence import Usage
from prunella_workflows.model.measurement import NoData, Reading, Series, Why

CPU, MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
MI = 1 << 20
PODS = [pod_view(a_pod("web-a")), pod_view(a_pod("web-b"))]
AWAY = NoData(why=Why.UNREACHABLE, message="Prometheus cannot be reached: Connection refused")
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"


def a_series(metric, *values, pod="web-a", container="app", ended=5, every=10, **labels):
    """Raw samples, the last one `ended` seconds ago."""
    last = clock.now() - timedelta(seconds=ended)
    times = [last - timedelta(seconds=every * n) for n in reversed(range(len(values)))]
    readings = tuple(Reading(value=value, at=at) for value, at in zip(values, times, strict=True))
    return Series(labels={"__name__": metric, "pod": pod, "container": container, **labels}, readings=readings)


def read(*found, kube=None, pods=PODS):
    return UsageReader(kube or FakeKube(), FakeSource(found=found)).now(WEB, pods)


def the_one(usage):
    assert isinstance(usage, Usage), usage
    (container,) = usage.containers
    return container


def test_cpu_is_a_rate_and_memory_the_newest_value():
    usage = read(a_series(CPU, 100, 102, 104), a_series(MEMORY, 10 * MI, 20 * MI))
    assert usage.source == "Prometheus"
    container = the_one(usage)
    assert (container.pod, container.container, container.memory_bytes) == ("web-a", "app", 20 * MI)
    assert container.cpu_cores == pytest.approx(0.2)
    assert clock.now() - usage.at < timedelta(seconds=30)


def test_every_container_of_every_pod():
    usage = read(a_series(MEMORY, 1), a_series(MEMORY, 2, container="proxy"), a_series(MEMORY, 3, pod="web-b"))
    assert [(container.pod, container.container, container.memory_bytes) for container in usage.containers] == [
        ("web-a", "app", 1),
        ("web-a", "proxy", 2),
        ("web-b", "app", 3),
    ]


def test_the_query_names_exactly_these_pods():
    source = FakeSource()
    UsageReader(FakeKube(), source).now(WEB, PODS)
    (query,) = source.queries
    assert 'namespace="shop",pod=~"(?:web-a|web-b)"' in query
    assert query.endswith("[2m]")


@pytest.mark.parametrize("order", [1, -1])
def test_an_earlier_life_of_a_container_does_not_count(order):
    """Its last samples linger for minutes, with another id."""
    before = [a_series(CPU, 500, 600, ended=60, id="1"), a_series(MEMORY, 60 * MI, ended=60, id="1")]
    now = [a_series(CPU, 1, 2, id="2"), a_series(MEMORY, 5 * MI, id="2")]
    container = the_one(read(*[*before, *now][::order]))
    assert (container.cpu_cores, container.memory_bytes) == (pytest.approx(0.1), 5 * MI)


@pytest.mark.parametrize(
    ("values", "cores"),
    [((100,), None), ((100, 5, 7), 0.2), ((100, 5), None), ((5, float("nan")), None), ((3, 3), 0.0)],
    ids=["one sample", "a counter that was reset", "just reset", "no number", "idle"],
)
def test_a_rate_needs_two_samples_of_one_run(values, cores):
    container = the_one(read(a_series(CPU, *values), a_series(MEMORY, MI)))
    assert container.cpu_cores == (pytest.approx(cores) if cores is not None else None)
    assert container.memory_bytes == MI


def test_what_is_no_number_is_not_measured():
    answer = read(a_series(CPU, 5), a_series(MEMORY, float("nan")))
    assert answer.why is Why.STALE
    assert the_one(read(a_series(CPU, 5, 6), a_series(MEMORY, float("inf")))).memory_bytes is None


def test_old_samples_are_no_data():
    assert read(a_series(CPU, 1, 2, ended=130), a_series(MEMORY, MI, ended=130)).why is Why.STALE


def test_no_pods_no_question():
    source = FakeSource()
    assert UsageReader(FakeKube(), source).now(WEB, []).why is Why.EMPTY
    assert source.queries == []


# metrics-server


def measured(kube, name="web-a", ago=10, **usage):
    at = (clock.now() - timedelta(seconds=ago)).isoformat(timespec="seconds").replace("+00:00", "Z")
    containers = [{"name": "app", "usage": {"cpu": "250m", "memory": "20Mi", **usage}}]
    kube.put(f"{METRICS}/{name}", {"timestamp": at, "window": "10s", "containers": containers})


def test_metrics_server_is_asked_where_there_is_no_prometheus():
    kube = FakeKube()
    measured(kube)
    measured(kube, "other")
    usage = UsageReader(kube, NotConfigured()).now(WEB, PODS)
    assert usage.source == "metrics-server"
    used = the_one(usage)
    assert (used.pod, used.container, used.cpu_cores, used.memory_bytes) == ("web-a", "app", 0.25, 20 * MI)


def test_metrics_server_is_asked_when_prometheus_has_no_answer():
    kube = FakeKube()
    measured(kube, cpu="1234567n", memory="20480Ki")
    container = the_one(UsageReader(kube, FakeSource(found=AWAY)).now(WEB, PODS))
    assert (container.cpu_cores, container.memory_bytes) == (pytest.approx(0.001234567), 20 * MI)


def test_a_pod_that_was_measured_long_ago_is_left_out():
    kube = FakeKube()
    measured(kube)
    measured(kube, "web-b", ago=130)
    assert the_one(UsageReader(kube, NotConfigured()).now(WEB, PODS)).pod == "web-a"


@pytest.mark.parametrize(
    ("prepare", "why", "words"),
    [
        (lambda kube: None, Why.EMPTY, "no measurement"),
        (lambda kube: measured(kube, ago=130), Why.STALE, "no fresh measurement"),
        (lambda kube: measured(kube, cpu="much"), Why.UNREADABLE, "cannot be read"),
        (lambda kube: kube.put(f"{METRICS}/web-a", {"timestamp": "then"}), Why.UNREADABLE, "cannot be read"),
        (lambda kube: setattr(kube, "before", failing(Unavailable("503"))), Why.UNREACHABLE, "503"),
        (lambda kube: setattr(kube, "before", failing(Forbidden("may not"))), Why.UNREACHABLE, "may not"),
    ],
    ids=["not yet", "old", "garbage", "half", "down", "forbidden"],
)
def test_a_metrics_server_without_an_answer(prepare, why, words):
    kube = FakeKube()
    prepare(kube)
    answer = UsageReader(kube, NotConfigured()).now(WEB, PODS)
    assert answer.why is why
    assert words in answer.message


def test_nobody_measures():
    kube = FakeKube()
    kube.list = kube.get  # a collection that is not served
    answer = UsageReader(kube, NotConfigured()).now(WEB, PODS)
    assert answer.why is Why.NOT_CONFIGURED
    assert "prometheus_url" in answer.message
    assert "metrics-server is not installed" in answer.message


def test_a_prometheus_that_is_down_is_not_called_missing():
    kube = FakeKube()
    kube.list = kube.get
    answer = UsageReader(kube, FakeSource(found=AWAY)).now(WEB, PODS)
    assert answer.why is Why.UNREACHABLE
    assert "Connection refused" in answer.message


def test_growth_is_a_range_query_over_an_hour():
    asked = []

    class Source(FakeSource):
        def series(self, query, start, end, step=None):
            asked.append((query, end - start, step))
            return AWAY

    assert UsageReader(FakeKube(), Source()).growth(WEB, PODS) is AWAY
    ((query, span, step),) = asked
    assert (span, step) == (timedelta(hours=1), 30)
    assert query.startswith("max by (namespace, pod, container, id) (max_over_time(")
    assert 'pod=~"(?:web-a|web-b)"' in query


def test_oom_kills_are_counted_over_all_runs_and_their_age_does_not_make_the_usage_stale():
    kills = "container_oom_events_total"
    usage = read(a_series(MEMORY, MI), a_series(kills, 0, 1, ended=110, id="/a"), a_series(kills, 0, id="/b"))
    assert the_one(usage).oom_kills == 1
    assert the_one(read(a_series(MEMORY, MI))).oom_kills == 0
