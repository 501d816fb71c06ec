"""A namespace's incidents are read once for all who want them at the same time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from fakes.kube import FakeKube
from fakes.objects import WEB

from prunella_operator.activities.evidence.incident_summaries import IncidentSummaryCache
from prunella_operator.incidents.deduplication import new_incident
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.model import labels
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import Signal


def put(kube, name, namespace="shop", **status):
    meta = {"namespace": namespace, "creationTimestamp": "2026-11-24T12:00:00Z"}
    return kube.put(paths.incidents(namespace, name), {"metadata": meta}, **status)


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
    signal = Signal(
        source="pods",
        type=IncidentType.OOM_KILLED,
        namespace="shop",
        kind="Pod",
        name="web-a",
        uid="uid-web-a",
        reason="OOMKilled",
        observed_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
    )
    kube.create(paths.incidents("shop"), new_incident(signal, WEB, "fault", ()))
    forged = put(kube, "web-2")
    forged["metadata"]["labels"] = {labels.SOURCE: "pods", labels.WORKLOAD: workload_key(WEB)}
    forged["spec"] = {"target": {"kind": "Deployment", "name": "web"}}
    assert sorted(summary.source for summary in IncidentSummaryCache(kube).get("shop")) == ["", "pods"]


def test_what_an_incident_shows_to_be_wrong_is_known_where_autonomy_must_be_earned():
    kube = FakeKube()
    attempt = {"number": 1, "actionId": "uid-1", "action": "Restart", "target": "Deployment/web", "verdict": "Worse"}
    attempt |= {"parameters": {}, "startedAt": "2026-11-24T12:00:00Z", "writtenAt": "2026-11-24T12:01:00Z"}
    times = {"decidedAt": "2026-11-24T14:00:00Z", "changedAt": "2026-11-24T13:00:00Z"}
    other = {"outcome": "OtherChange", "message": "", **times}
    autonomy = {"action": "SetMemory", "level": "Observe", "workloadUid": WEB.uid}
    put(kube, "web-1", phase="Escalated", autonomy=autonomy, attempts=[attempt])
    put(kube, "web-2", phase="DryRunDone", autonomy=autonomy, aftermath=other)
    put(kube, "web-3", phase="DryRunDone", autonomy=autonomy, aftermath={**other, "outcome": "SameChange"})
    put(kube, "web-4", phase="Escalated", attempts=[attempt])
    found = {one.name: (one.workload_uid, [trial.id for trial in one.failures]) for one in summaries_of(kube)}
    assert found == {
        "web-1": (WEB.uid, ["uid-1"]),
        "web-2": (WEB.uid, ["plan/SetMemory/2026-11-24T13:00:00+00:00"]),
        "web-3": (WEB.uid, []),
        "web-4": ("", []),
    }


def summaries_of(kube):
    return IncidentSummaryCache(kube).get("shop")


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
