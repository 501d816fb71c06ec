"""The console over a reader in memory."""

from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.incidents import FakeReader, incident

from prunella_operator.console.app import Console
from prunella_workflows.model.errors import Forbidden

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"


class Readers:
    """Records the tokens of the readers; the token `bad` is invalid."""

    def __init__(self, *raw):
        self.own = FakeReader(*raw)
        self.tokens = []

    def incidents(self):
        return self.own.find(None)

    def __call__(self, token):
        self.tokens.append(token)
        if token == "bad":
            return Unknown()
        return self.own


class Unknown(FakeReader):
    def whoami(self):
        raise Forbidden("Unauthorized")


def history(**status):
    """A status with everything in it, some of it hostile."""
    attempt = {
        "number": 1,
        "actionId": "u-1",
        "action": "RestoreTemplate",
        "target": "Deployment/checkout",
        "parameters": {"to": "revision 1"},
        "diff": "@@ template\n-  image: shop:2\n+  image: shop:1\n",
        "startedAt": "2026-11-24T11:00:20Z",
        "writtenAt": "2026-11-24T11:00:21Z",
        "finishedAt": "2026-11-24T11:01:30Z",
        "verdict": "Healed",
        "message": "3 pod(s) ready",
    }
    return {
        "message": HOSTILE,
        "target": "Deployment/checkout",
        "rootCause": "bad_release",
        "confidence": "90%",
        "evidence": [{"source": "Pod", "message": f"{HOSTILE} {number}"} for number in range(5)],
        "guards": [{"name": "OptedOut", "held": False, "reason": "Passed"}],
        "attempts": [attempt],
        "workflow": {"id": "incident-u", "runId": "r"},
        "times": {
            "faultAt": "2026-11-24T11:00:00Z",
            "detectedAt": "2026-11-24T11:00:02Z",
            "diagnosedAt": "2026-11-24T11:00:15Z",
            "healedAt": "2026-11-24T11:01:30Z",
            "closedAt": "2026-11-24T11:01:31Z",
        },
        **status,
    }


@pytest.fixture
def readers():
    return Readers(
        incident("checkout-1", phase="Healed", **history()),
        incident("cart-1", phase="Escalated", target="Deployment/cart", rootCause="pod_crash_loop"),
        incident("orders-1", "billing", phase="AwaitingApproval", target="Deployment/orders"),
    )


@pytest.fixture
async def browse(readers, monkeypatch):
    """A browser on the console."""
    monkeypatch.setattr("prunella_operator.clock.now", lambda: NOW)
    async with TestClient(
        TestServer(Console(readers, readers.incidents, lambda workflow, run: f"http://temporal/{workflow}/{run}").app())
    ) as client:
        yield client
