"""Retention at a real API server, with the operator's own account: what ended long ago goes, and nothing else can."""

from datetime import timedelta

import pytest
from support.access_control import access_of

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.incidents.retention import Limits, Retention
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_workflows.model.errors import Forbidden
from prunella_workflows.model.labels import KEEP

pytestmark = pytest.mark.integration

WEEK = timedelta(days=8)


@pytest.fixture
def incidents(api, shop):
    """Incidents by name; each ended so long ago, or is open."""
    put(api, shop, "healed-long-ago", "Healed", WEEK)
    put(api, shop, "kept", "Healed", WEEK, **{KEEP: "true"})
    put(api, shop, "healed-yesterday", "Healed", timedelta(days=1))
    put(api, shop, "for-people", "Escalated", WEEK)
    put(api, shop, "open", "Repairing", WEEK)
    return shop


def put(api, namespace, name, phase, age, **labels):
    body = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": name, "labels": labels},
        "spec": {"target": {"kind": "Deployment", "name": "web"}, "type": "OOMKilled"},
    }
    api.create(paths.incidents(namespace), body)
    times = {} if phase == "Repairing" else {"times": {"closedAt": (clock.now() - age).isoformat()}}
    api.patch(f"{paths.incidents(namespace, name)}/status", {"status": {"phase": phase, **times}})


async def test_only_what_ended_long_ago_goes(api, access, operator, incidents):
    async with AsyncClient(access_of(api, access, "operator")) as rest:
        retention = Retention(rest, Limits.from_settings(Settings.load({})), (incidents,))
        assert await retention.sweep() == 1
        assert await retention.sweep() == 0
    left = {incident["metadata"]["name"] for incident in api.incidents(incidents)}
    assert left == {"kept", "healed-yesterday", "for-people", "open"}
    with pytest.raises(Forbidden, match="has not ended"):
        operator.delete(
            paths.incidents(incidents, "open"), api.get(paths.incidents(incidents, "open"))["metadata"]["uid"]
        )
