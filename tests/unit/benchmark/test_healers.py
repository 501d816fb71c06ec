"""Decisions of the simple healers, their requests, and a healer as a process."""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from benchmark import cli, healer
from benchmark.cli import main
from benchmark.healer import SELECTOR, Healer, HealerFailed, build_programs, command_of, name_of
from benchmark.healers import prunella, vpa, watching
from benchmark.healers.restart_loop import restart
from benchmark.healers.rollout_undo import undo
from benchmark.serving import served
from fakes.httpd import Answer, Httpd
from kubernetes.client.exceptions import ApiException
from kubernetes.config import load_kube_config
from support.api import until


def a_workload(kind="Deployment", uid="u1", *, wanted=2, ready=2, updated=None, **spec):
    fields = {"replicas": wanted, "updatedReplicas": ready if updated is None else updated, "availableReplicas": ready}
    return {
        "kind": kind,
        "metadata": {"uid": uid, "name": "web", "namespace": "shop", "generation": 3},
        "spec": {"replicas": wanted, **spec},
        "status": {"observedGeneration": 3, **fields},
    }


def a_daemon_set(wanted, updated, available, **spec):
    status = {"desiredNumberScheduled": wanted, "updatedNumberScheduled": updated, "numberAvailable": available}
    return {"kind": "DaemonSet", "metadata": {}, "spec": spec, "status": status}


ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
PARTED = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        (a_workload(), True),
        (a_workload(ready=1), False),
        (a_workload(updated=1), False),  # old pods serve, the rollout is stuck
        (a_workload(wanted=0, ready=0), True),
        ({**a_workload(), "status": {**a_workload()["status"], "observedGeneration": 2}}, False),
        ({**a_workload(), "status": {}}, False),
        (a_workload("StatefulSet"), True),
        (a_workload("StatefulSet", updated=1), False),
        (a_workload("StatefulSet", updated=1, **PARTED), True),
        (a_workload("StatefulSet", updated=0, **ON_DELETE), True),
        (a_workload("StatefulSet", ready=1), False),
        (a_daemon_set(1, 1, 1), True),
        (a_daemon_set(1, 0, 1), False),
        (a_daemon_set(1, 0, 1, **ON_DELETE), True),
        (a_daemon_set(1, 1, 0), False),
        (a_daemon_set(0, 0, 0), False),
    ],
)
def test_served_is_a_complete_rollout_with_all_pods_available(workload, expected):
    assert served(workload) is expected


def test_a_workload_is_acted_on_after_a_minute_and_again_after_another():
    overdue, bad, good = watching.Overdue(), a_workload(ready=0), a_workload(uid="u2")
    assert [overdue.among([bad, good], now) for now in (0, 59)] == [[], []]
    assert overdue.among([bad, good], 60) == [bad]
    assert overdue.among([bad], 119) == []
    assert overdue.among([bad], 120) == [bad]


def test_the_minute_begins_again_after_a_recovery():
    overdue, bad = watching.Overdue(), a_workload(ready=0)
    for now, workload in ((0, bad), (50, a_workload()), (70, bad)):
        assert overdue.among([workload], now) == []
    assert overdue.among([bad], 130) == [bad]


def test_a_restart_is_an_annotation_of_the_template():
    assert restart(a_workload(), "now")["spec"]["template"]["metadata"]["annotations"] == {
        "kubectl.kubernetes.io/restartedAt": "now"
    }
    assert restart(a_workload(paused=True), "now") is None


def a_replica_set(number, owner="u1"):
    template = {"metadata": {"labels": {"app": "web", "pod-template-hash": "x"}}, "spec": {"release": number}}
    marks = {"deployment.kubernetes.io/revision": str(number)}
    return {"metadata": {"ownerReferences": [{"uid": owner}], "annotations": marks}, "spec": {"template": template}}


def a_revision(number):
    template = {"$patch": "replace", "metadata": {"labels": {"app": "web"}}, "spec": {"release": number}}
    meta = {"ownerReferences": [{"uid": "u1"}]}
    return {"metadata": meta, "revision": number, "data": {"spec": {"template": template}}}


@pytest.mark.parametrize("make", [a_replica_set, a_revision])
def test_an_undo_returns_to_the_revision_before_the_newest(make):
    (step,) = undo(a_workload(), [make(10), make(2), make(9), a_replica_set(11, owner="another")])
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"release": 9}}
    assert step == {"op": "replace", "path": "/spec/template", "value": template}


def test_there_is_nothing_to_undo_in_a_first_revision_or_a_paused_rollout():
    assert undo(a_workload(), [a_replica_set(1)]) is None
    assert undo(a_workload(paused=True), [a_replica_set(1), a_replica_set(2)]) is None


def test_prunella_is_limited_to_the_selected_namespaces():
    assert prunella.policy("run=a1")["spec"]["namespaceSelector"] == {"matchLabels": {"run": "a1"}}


class Refusing:
    """One workload, and an API server that refuses some objects."""

    def __init__(self, *answers):
        self.created, self._answers = [], iter(answers)

    def all(self):
        return [a_workload()]

    def create(self, body, *_):
        self.created.append(body)
        if refusal := next(self._answers, None):
            raise ApiException(status=refusal)


@pytest.mark.parametrize(("answers", "tries"), [((), 1), ((403,), 2), ((409,), 1)])
def test_each_workload_gets_one_vpa_object(answers, tries):
    workloads = Refusing(*answers)
    scaled = vpa.Scaled(workloads)
    for _ in range(3):
        scaled.add()
    assert len(workloads.created) == tries
    made = workloads.created[-1]
    assert made["metadata"] == {"name": "deployment-web", "namespace": "shop"}
    assert made["spec"]["targetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def test_the_metrics_api_is_served_where_the_api_server_reaches_this_machine():
    _, endpoints, api = vpa.served_at("10.88.1.1", 4443)
    assert (endpoints["endpoints"], endpoints["ports"][0]["port"]) == ([{"addresses": ["10.88.1.1"]}], 4443)
    assert api["metadata"]["name"] == "v1beta1.metrics.k8s.io"


def test_the_programs_of_a_healer_are_built_before_it_starts(monkeypatch):
    built = []
    monkeypatch.setattr(healer.build, "ensure", built.append)
    for name in healer.BUILT_IN:
        build_programs(name)
    assert built == ["metrics-server", "vpa-recommender", "vpa-updater", "vpa-admission-controller"]


NAMESPACES = "/api/v1/namespaces"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"


def answer(asked):
    """One namespace with one Deployment."""
    if asked.path == NAMESPACES and asked.query["labelSelector"] != "run=a1":
        return Answer(400)
    items = {NAMESPACES: [{"metadata": {"name": "shop"}}], DEPLOYMENTS: [a_workload()]}
    return Answer(body={"items": items.get(asked.path, [])})


def test_workloads_are_read_and_patched(tmp_path, monkeypatch):
    monkeypatch.setenv(SELECTOR, "run=a1")
    with Httpd(answer) as api:
        (tmp_path / "kubeconfig").write_text(json.dumps(config_of(api.url)))
        monkeypatch.setattr(watching, "load_kube_config", partial(load_kube_config, str(tmp_path / "kubeconfig")))
        workloads = watching.Workloads()
        (found,) = workloads.all()
        workloads.patch(found, {"spec": {}}, "application/merge-patch+json")
        workloads.patch(found, [{"op": "replace"}], "application/json-patch+json")
    merge, json_patch = [asked for asked in api.asked if asked.method == "PATCH"]
    assert found["kind"] == "Deployment"
    assert (merge.path, merge.json) == (f"{DEPLOYMENTS}/web", {"spec": {}})
    assert merge.headers["Content-Type"] == "application/merge-patch+json"
    assert (json_patch.path, json_patch.json) == (merge.path, [{"op": "replace"}])
    assert json_patch.headers["Content-Type"] == "application/json-patch+json"


def config_of(url):
    cluster = {"name": "c", "cluster": {"server": url}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    user = {"name": "u", "user": {"token": "t"}}
    return {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "c"}


def a_healer(folder, program):
    return Healer([sys.executable, "-c", program], folder / "kubeconfig", "run=a1", folder)


def test_a_healer_gets_its_environment_and_ends_at_sigterm(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNELLA_KUBECONFIG", "/elsewhere")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
    program = f"""
import os, time
print(os.environ["KUBECONFIG"], os.environ["{SELECTOR}"])
print([name for name in ("PRUNELLA_KUBECONFIG", "TEMPORAL_ADDRESS") if name in os.environ])
print("ready", flush=True)
time.sleep(60)
"""
    with a_healer(tmp_path, program) as running:
        running.assert_running()
        assert running.log.read_text().splitlines()[:2] == [f"{tmp_path / 'kubeconfig'} run=a1", "[]"]


def test_a_healer_that_ends_by_itself_is_an_error(tmp_path):
    with (
        pytest.raises(HealerFailed, match=r"with code 3:\nno permission"),
        a_healer(tmp_path, "import sys; print('no permission'); sys.exit(3)"),
    ):
        pass


def test_built_in_healers_start(tmp_path):
    with Healer(command_of("none"), tmp_path / "kubeconfig", "run=a1", tmp_path) as running:
        running.assert_running()


def test_other_programs_are_healers_too(tmp_path):
    program = tmp_path / "mine"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert command_of(f"{program} --quick") == [str(program), "--quick"]
    assert name_of(f"{program} --quick") == "mine"
    assert command_of("rollout-undo")[-1] == "benchmark.healers.rollout_undo"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--healer", "nothing-there"], "built in are none"), (["--healer", "none", "--cases", "x"], "no such case")],
)
def test_a_wrong_argument_ends_with_2_before_anything_is_started(arguments, said, capsys):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_what_a_healer_started_ends_with_it(tmp_path):
    program = """
import subprocess, time
print(subprocess.Popen(["sleep", "60"]).pid)
print("ready", flush=True)
time.sleep(60)
"""
    with a_healer(tmp_path, program) as running:
        child = Path("/proc", running.log.read_text().splitlines()[0])
        assert child.exists()
    until(lambda: not child.exists() or "(sleep) Z" in (child / "stat").read_text(), 5, "its child has ended")


def test_sigterm_ends_a_run_as_ctrl_c_does(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "_run", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        with pytest.raises(KeyboardInterrupt):
            main(["--healer", "none", "--cases", "short"])
    finally:
        signal.signal(signal.SIGTERM, before)
