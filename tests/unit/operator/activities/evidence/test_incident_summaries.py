"""A namespace's incidents are read once for all who want them at the same time."""

from concurrent.futures import ThreadPoolExecutor

from fakes.kube import FakeKube

from prunella_operator.activities.evidence.incident_summaries import IncidentSummaryCache
from prunella_operator.kubernetes import paths
from prunella_workflows.model import labels


def put(kube, name, namespace="shop", source=None, **status):
    meta = {"namespace": namespace, "creationTimestamp": "2026-11-24T12:00:00Z"}
    meta |= {"labels": {labels.SOURCE: source}} if source else {}
    kube.put(paths.incidents(namespace, name), {"metadata": meta}, **status)


def test_they_are_those_of_the_namespace():
    kube = FakeKube()
    put(kube, "web-1", phase="Healed", target="Deployment/web", causedBy={"target": "Secret/token"})
    put(kube, "web-1", namespace="bank")
    (summary,) = IncidentSummaryCache(kube).get("shop")
    assert (summary.name, summary.workload, summary.opened_at.hour, summary.caused_by.target) == (
        "web-1",
        "Deployment/web",
        12,
        "Secret/token",
    )


def test_who_saw_the_fault_is_told():
    kube = FakeKube()
    put(kube, "web-1", source="pods")
    put(kube, "web-2")
    assert {summary.name: summary.source for summary in IncidentSummaryCache(kube).get("shop")} == {
        "web-1": "pods",
        "web-2": "",
    }


def test_a_crowd_reads_them_once():
    kube = FakeKube()
    put(kube, "web-1")
    summaries = IncidentSummaryCache(kube, max_age=60)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: summaries.get("shop"), range(200)))
    assert (len(kube.requests), {len(summary) for summary in found}) == (1, {1})


def test_each_namespace_is_read_for_itself_and_again_when_it_is_old():
    kube = FakeKube()
    summaries = IncidentSummaryCache(kube, max_age=-1)
    for namespace in ("shop", "bank", "shop"):
        summaries.get(namespace)
    assert len(kube.requests) == 3
