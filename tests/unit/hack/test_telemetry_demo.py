"""The demo with a cluster: its workloads, and the telemetry that their pods would send."""

from opentelemetry.proto.trace.v1.trace_pb2 import Status
from telemetrydemo.cli import main
from telemetrydemo.cluster import BROKEN, ClusterShop, deployment

OLD, NEW = "5d8f9c7b6", "7c9d8e6f5"


class PodApi:
    """An API server with pods of one Deployment."""

    def __init__(self, *pods):
        self.pods = list(pods)

    def call(self, _verb, _path):
        return {"items": self.pods}


def a_pod(number, template=OLD, version="1", phase="Running", **metadata):
    labels = {
        "app.kubernetes.io/name": BROKEN,
        "app.kubernetes.io/version": version,
        "pod-template-hash": template,
    }
    name = f"{BROKEN}-{template}-{number}"
    return {
        "metadata": {"name": name, "uid": f"uid-{number}", "labels": labels, **metadata},
        "spec": {"nodeName": "node-1"},
        "status": {"phase": phase},
    }


def failing_pods(shop):
    """The uids of the broken service's pods that send failed spans."""
    found = set()
    for one in shop.generator.second(1_700_000_000).requests[0].resource_spans:
        names = {each.key: each.value.string_value for each in one.resource.attributes}
        failed = [span for span in one.scope_spans[0].spans if span.status.code == Status.STATUS_CODE_ERROR]
        if names["service.name"] == BROKEN and failed:
            found.add((names["k8s.pod.uid"], names["k8s.replicaset.name"]))
    return found


def test_release_2_differs_by_its_image_and_rolls_out_slowly():
    first, second = deployment(BROKEN, "1"), deployment(BROKEN, "2")
    assert first["metadata"]["name"] == second["metadata"]["name"] == BROKEN
    images = [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in (first, second)]
    assert images == ["prunella.local/shop:1", "prunella.local/shop:2"]
    assert "minReadySeconds" not in first["spec"]
    assert second["spec"]["minReadySeconds"] > 30
    assert "minReadySeconds" not in deployment("cart", "2")["spec"]


def test_only_running_pods_send_and_those_of_release_2_fail():
    api = PodApi(a_pod(1), a_pod(2, NEW, "2"), a_pod(3, phase="Pending"), a_pod(4, NEW, "2", deletionTimestamp="now"))
    shop = ClusterShop(api, None, rate=200)
    shop.refresh()
    assert failing_pods(shop) == {("uid-2", f"{BROKEN}-{NEW}")}
    api.pods = [a_pod(1)]
    shop.refresh()
    assert failing_pods(shop) == set()


def test_an_error_is_one_message(capsys, monkeypatch):
    monkeypatch.setattr("telemetrydemo.load.Sender", lambda address: (_ for _ in ()).throw(OSError("no route")))
    assert main(["load", "127.0.0.1:1", "--seconds", "1"]) == 1
    assert "no route" in capsys.readouterr().out
