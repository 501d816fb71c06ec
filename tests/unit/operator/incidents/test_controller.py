"""Changes of an Incident that the controller handles: those of people, not the labels that repairs set.

Of the many closed incidents kopf holds as little as possible.
"""

import asyncio
import gc
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from fakes.apiserver import FakeApi, eventually, modified
from fakes.incidents import incident

from prunella_operator.compat.kopf import kopf
from prunella_operator.incidents import controller
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_workflows.model.labels import API_VERSION, CANCEL, GROUP, REPAIR_SLOT, REPAIR_SLOTS

ANNOTATED = {"prunella.dev/detected-at": "2026-11-24T11:59:59+00:00"}


def essence(**values):
    metadata = {"name": "web-1", "uid": "u", "resourceVersion": "7", **values.pop("metadata", {})}
    body = {"kind": "Incident", "metadata": metadata, "spec": {"type": "OOMKilled"}, **values}
    return controller._settings().persistence.diffbase_storage.build(body=kopf.Body(body))


@pytest.mark.parametrize("before", [{}, {"labels": {"team": "shop"}, "annotations": ANNOTATED}], ids=["bare", "marked"])
def test_a_turn_is_no_wish(before):
    labels = {**before.get("labels", {}), REPAIR_SLOT: "requested"}
    annotations = {**before.get("annotations", {}), REPAIR_SLOTS: "{}"}
    assert essence(metadata={"labels": labels, "annotations": annotations}) == essence(metadata=before)


def test_nor_is_the_status():
    assert essence(status={"phase": "Repairing"}) == essence()


def test_a_cancellation_and_a_suspension_are():
    assert essence(metadata={"annotations": {CANCEL: "true"}}) != essence()
    assert essence(spec={"type": "OOMKilled", "suspend": True}) != essence()


def kinds(group_version, **found):
    """One answer of the discovery API."""
    each = [
        {"name": name, "kind": kind, "singularName": "", "namespaced": True, "verbs": ["list", "watch", "patch"]}
        for name, kind in found.items()
    ]
    return {"groupVersion": group_version, "resources": each}


def versions(group):
    """A group with one version, as the discovery API lists it."""
    name, _, version = group.partition("/")
    known_version = {"groupVersion": group, "version": version}
    return {"name": name, "versions": [known_version], "preferredVersion": known_version}


OURS, THEIRS = API_VERSION, "apiextensions.k8s.io/v1"
DISCOVERY = {
    "/version": {"major": "1", "minor": "34"},
    "/api": {"versions": ["v1"]},
    "/api/v1": kinds("v1", namespaces="Namespace"),
    "/apis": {"groups": [versions(OURS), versions(THEIRS)]},
    f"/apis/{OURS}": kinds(OURS, incidents="Incident"),
    f"/apis/{THEIRS}": kinds(THEIRS, customresourcedefinitions="CustomResourceDefinition"),
}


class Cluster(FakeApi):
    """An API server with discovery, which kopf reads first."""

    serves_incidents = True

    async def _list(self, request):
        if request.path == paths.API and not self.serves_incidents:
            return web.json_response(kinds(OURS))
        if request.path in DISCOVERY:
            return web.json_response(DISCOVERY[request.path])
        return await super()._list(request)


@asynccontextmanager
async def controlling(api, starter, alerts=None, on_ended=lambda _namespace: None):
    async with (
        AsyncClient(api.access) as rest,
        controller.Controller(api.access, rest, starter, alerts or Alerts(), (), on_ended=on_ended),
    ):
        yield


class Noted:
    """A starter that records the controller's calls."""

    def __init__(self):
        self.started = set()

    async def start(self, incident):
        self.started.add(incident.metadata.name)


class Alerts:
    """Alert signals that record the controller's calls."""

    def __init__(self):
        self.changes = []

    async def incident_changed(self, uid, phase, annotations):
        self.changes.append((uid, phase, dict(annotations)))


def dealt_with(name):
    """An incident that is over, and was seen by a kopf that ran before."""
    item = incident(name, phase="Healed")
    known = {f"kopf.{GROUP}/last-handled-configuration": json.dumps({"spec": item["spec"]})}
    item["metadata"].update(resourceVersion="7", annotations=known)
    return item


def held():
    """kopf's tasks that have an incident each."""
    tasks = (obj for obj in gc.get_objects() if isinstance(obj, asyncio.Task))
    return [task for task in tasks if not task.done() and task.get_name().startswith("worker for")]


async def test_incidents_are_read_in_pages_and_not_held_when_they_are_dealt_with():
    kept = [dealt_with(f"web-{number}") for number in range(controller._PAGE_LIMIT + 10)]
    async with Cluster(kept) as api:
        starter = Noted()
        async with controlling(api, starter):
            await eventually(lambda: len(starter.started) == len(kept), within=30)
            await eventually(lambda: not held(), within=controller._IDLE_TIMEOUT_SECONDS + 3)
        lists = [call.query for call in api.of("list") if call.path == paths.incidents()]
        assert [list_.get("limit") for list_ in lists] == [str(controller._PAGE_LIMIT)] * 2
        assert not any(request.method == "PATCH" for request in api.requests)


async def test_an_api_server_that_does_not_serve_incidents_yet_is_waited_for(monkeypatch):
    monkeypatch.setattr(controller, "_RETRY_INTERVAL_SECONDS", 0.05)
    async with Cluster([dealt_with("web")]) as api:
        api.serves_incidents = False
        starter = Noted()
        async with controlling(api, starter):
            await eventually(lambda: sum(request.path == paths.API for request in api.requests) > 1)
            assert starter.started == set()
            api.serves_incidents = True
            await eventually(lambda: starter.started == {"web"}, within=10)


async def test_alerts_are_signalled_whenever_an_incident_changes():
    item = dealt_with("web")
    async with Cluster([item]) as api:
        starter, alerts = Noted(), Alerts()
        async with controlling(api, starter, alerts):
            await eventually(lambda: alerts.changes, within=10)
    uid, phase, annotations = alerts.changes[0]
    assert (uid, phase) == (item["metadata"]["uid"], "Healed")
    assert annotations == item["metadata"]["annotations"]


async def test_who_waits_for_the_end_of_incidents_hears_of_each():
    ended = []
    open_one = dealt_with("open")
    open_one["status"]["phase"] = "Verifying"
    api = Cluster([open_one])
    async with api, controlling(api, Noted(), on_ended=ended.append):
        await eventually(lambda: api.watching, within=10)
        await asyncio.sleep(0.2)
        assert ended == []
        closed = {**open_one, "status": {**open_one["status"], "phase": "Healed"}}
        closed["metadata"] = {**open_one["metadata"], "resourceVersion": "8"}
        api.send(modified(closed))
        await eventually(lambda: ended == [closed["metadata"]["namespace"]], within=10)
