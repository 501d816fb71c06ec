"""Events of the AIOps case, played without a cluster: pods, incidents and the audit log are scripted."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.httpd import Answer, Httpd
from support.audit import Write as Audited

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))  # scripts, not a package

import aiops_mix as mix
import aiops_play
from aiops_faults import FAULTS, REPLICAS, healthy
from aiops_incidents import Incidents
from aiops_judge import judge
from aiops_kubelets import Kubelets
from aiops_play import Play, name_of, namespace_of
from aiops_table import Day
from aiops_watch import JsonWatch

from prunella_operator.kubernetes.access import Access
from prunella_operator.tasks import end

NAMED = {kind.name: kind for kind in mix.load()}
APP, NAMESPACE = name_of(1), namespace_of(1)
WRITTEN = [{"op": "add", "path": "/metadata/annotations/prunella.dev~1last-action", "value": "action-1"}]


class World:
    """The API server, as far as an event needs it: its pods change as statuses are written and releases applied."""

    def __init__(self):
        self.kubelets, self.incidents_seen = Kubelets(self), Incidents()
        self.pods, self.events, self.reported, self.written = {}, [], [], []
        self.users = set()
        self.loop = asyncio.get_running_loop()

    def add_pods(self, template, count):
        for _ in range(count):
            uid = f"uid-{len(self.pods)}"
            meta = {"uid": uid, "namespace": NAMESPACE, "name": f"{APP}-{uid}", "labels": {"app": APP}}
            status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            self.pods[meta["name"]] = {"metadata": meta, "spec": template["spec"], "status": status}
            self.kubelets.on_upsert(self.pods[meta["name"]])

    async def patch(self, path, body, _type):
        pod = self.pods[path.split("/")[-2]]
        pod["status"] |= body["status"]
        self.kubelets.on_upsert(pod)

    async def create(self, _path, event):
        self.events.append(event)

    def apply(self, obj):
        (version,) = (entry["value"] for entry in obj["spec"]["template"]["spec"]["containers"][0]["env"])
        if version == "2":
            self.loop.call_soon_threadsafe(self.add_pods, obj["spec"]["template"], 2)

    def incidents(self, _namespace):
        return self.reported

    def writes(self, _user, namespace):
        return [write for write in self.written if write.namespace == namespace]

    def report(self, phase, **status):
        """An incident, as its watch shows it."""
        incident = {
            "metadata": {"uid": "incident-1"},
            "spec": {"target": {"name": APP}},
            "status": {"phase": phase, "reason": "Because", "rootCause": "unknown", **status},
        }
        self.reported = [incident]
        self.incidents_seen.on_upsert(incident)


@asynccontextmanager
async def playing(kind, monkeypatch, *, patience=10.0, **changes):
    """An event of this kind that has begun; yields the world and the task whose result is its outcome."""
    monkeypatch.setattr(aiops_play, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(aiops_play, "_QUIET_SECONDS", 0.2)
    fault = replace(FAULTS[kind], **changes)
    monkeypatch.setitem(aiops_play.FAULTS, kind, fault)
    world, event = World(), mix.Event(number=0, kind=NAMED[kind], service=1, second=0)
    world.add_pods(healthy(NAMESPACE, APP, fault)["spec"]["template"], REPLICAS)
    with Httpd(lambda asked: Answer(body={})) as alertmanager:
        day = Day({"events": 1, "services": 10, "day": 1})
        parts = (world, world, "prunella", alertmanager.url, world.kubelets, world.incidents_seen)
        play = Play(*parts, patience, day, lambda: None, lambda text: None)
        writing = asyncio.create_task(world.kubelets.run())
        playing = asyncio.create_task(play.all([event]))
        world.alerts = lambda: [asked.json["alerts"][0] for asked in alertmanager.asked]
        try:
            yield world, playing, day
        finally:
            await end(writing, playing)


async def until(holds):
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - the world has no event for everything
            await asyncio.sleep(0.01)


async def test_a_fault_that_a_person_repairs(monkeypatch):
    async with playing("bad-data", monkeypatch) as (world, task, day):
        await until(lambda: world.kubelets.serving(APP) == 0)
        world.report("Diagnosing")
        await asyncio.sleep(0.05)
        world.report("Escalated")
        await task
        await until(lambda: world.kubelets.serving(APP) == REPLICAS)
    (outcome,) = day.outcomes
    assert judge(NAMED["bad-data"], outcome).right
    assert (outcome.down.worst, outcome.down.left) == (1, 1)
    assert outcome.serving is None
    assert 0 < outcome.detected <= outcome.closed


async def test_a_release_that_is_rolled_back(monkeypatch):
    async with playing("crash-release", monkeypatch) as (world, task, day):
        await until(lambda: any(pod.release == "2" and not pod.ready for pod in world.kubelets.pods[APP].values()))
        attempt = {"actionId": "action-1", "action": "RestoreTemplate"}
        values = {"verb": "patch", "code": 200, "user": "prunella", "agent": "", "uri": "", "at": ""}
        world.written = [
            Audited(resource="apps/deployments", namespace=NAMESPACE, name=name, request=WRITTEN, **values)
            for name in (APP, name_of(21))
        ]
        world.report("Healed", attempts=[attempt])
        await task
    (outcome,) = day.outcomes
    assert [write.action for write in outcome.writes] == ["RestoreTemplate"]
    assert judge(NAMED["crash-release"], outcome).right
    assert day.bystanders == [f"patch apps/deployments {NAMESPACE}/{name_of(21)}"]


async def test_a_crash_that_is_over_at_once(monkeypatch):
    async with playing("one-crash", monkeypatch, lasts=0.1) as (world, task, day):
        await until(lambda: world.kubelets.serving(APP) == REPLICAS - 1)
        await task
        assert world.kubelets.serving(APP) == REPLICAS
    (outcome,) = day.outcomes
    assert judge(NAMED["one-crash"], outcome).right
    assert 0 < outcome.down.lost < 1


async def test_a_hang_has_an_event_of_the_kubelet(monkeypatch):
    async with playing("hang", monkeypatch) as (world, task, _day):
        await until(lambda: world.events)
        world.report("Healed")
        await task
    assert "deadline exceeded" in world.events[0]["message"]


async def test_a_false_alarm_fires_and_ends(monkeypatch):
    async with playing("false-alarm", monkeypatch, lasts=0.1) as (world, task, day):
        await task
        fired, ended = world.alerts()
    assert (fired["status"], ended["status"]) == ("firing", "resolved")
    assert fired["fingerprint"] == ended["fingerprint"]
    assert fired["labels"]["deployment"] == APP
    assert day.outcomes[0].alerts == 2


async def test_an_alert_about_a_node_names_no_workload(monkeypatch):
    async with playing("platform-alert", monkeypatch, lasts=0.1) as (world, task, _day):
        await task
        assert set(world.alerts()[0]["labels"]) == {"alertname", "severity", "node"}


async def test_an_event_without_its_incident_is_given_up(monkeypatch):
    async with playing("dependency-down", monkeypatch, patience=0.2) as (_world, task, day):
        await task
    assert "ended none instead of Escalated" in judge(NAMED["dependency-down"], day.outcomes[0]).why


async def test_a_watch_in_json_misses_no_deletion():
    seen, gone = [], []
    first = {"metadata": {"uid": "a"}}, {"metadata": {"uid": "b"}}
    lists = iter(({"items": first}, {"items": [{"metadata": {"uid": "c"}}]}))

    def answer(asked):
        if "watch" not in asked.query:
            return Answer(body={**next(lists, {"items": []}), "metadata": {"resourceVersion": "7"}})
        events = ({"type": "ADDED", "object": {"metadata": {"uid": "d"}}}, {"type": "DELETED", "object": first[0]})
        return Answer(body="".join(f"{json.dumps(event)}\n" for event in events).encode())

    with Httpd(answer) as server:
        watch = JsonWatch(
            Access(server.url), "/api/v1/pods", lambda obj: seen.append(obj["metadata"]["uid"]), gone.append
        )
        watching = asyncio.create_task(watch.run())
        await until(lambda: len(gone) >= 3)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
    assert seen[:4] == ["a", "b", "d", "c"]
    assert gone[:1] == ["a"]
    assert set(gone[1:3]) == {"b", "d"}
