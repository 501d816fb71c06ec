"""`prunella notify test`, and the completion of the kubectl plugin."""

import base64
import subprocess
import sys

import pytest
from fakes.httpd import Answer, Httpd

from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.errors import NotFound

CANARY = "canary41fe0b"


class FakeApi:
    namespace = "shop"

    def __init__(self, url):
        self.url = url

    def call(self, _method, path, *_, **__):
        if path != "/api/v1/namespaces/shop/secrets/chat":
            raise NotFound("no")
        data = {"url": base64.b64encode(self.url.encode()).decode()}
        return {"type": "prunella.dev/channel", "data": data}


@pytest.fixture
def httpd(monkeypatch):
    with Httpd() as server:
        api = FakeApi(f"json://127.0.0.1:{server.port}/{CANARY}")
        monkeypatch.setattr(SyncClient, "connect", lambda _settings: api)
        yield server


def test_a_channel_that_works(prunella, httpd):
    result = prunella("notify", "test", "chat")
    assert (result.exit_code, result.stdout) == (0, "shop/chat: webhook accepted the message; check that it arrived\n")
    assert httpd.asked[0].json["title"] == "Low: test message from Prunella"


def test_a_channel_that_does_not(prunella, httpd):
    httpd.answer = lambda _: Answer(401)
    result = prunella("notify", "test", "chat", "-n", "shop")
    assert result.exit_code == 1
    assert "error: webhook answered 401: it refuses our credentials" in result.stderr
    assert CANARY not in result.output


def test_a_channel_that_is_not_there(prunella, httpd):
    result = prunella("notify", "test", "nope")
    assert result.exit_code == 1
    assert "error: there is no Secret shop/nope" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "candidates"),
    [
        (["incidents", "a"], ["approve", "ack"]),
        (["incidents", "list", "--phase", "Esc"], ["Escalated"]),
        (["notify", ""], ["test"]),
        (["incidents", "show", ""], []),  # no cluster: silence
        ([], None),
    ],
)
def test_kubectl_completes_the_plugin(arguments, candidates):
    done = subprocess.run(
        [sys.executable, "-m", "prunella_operator.cli.complete", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PATH": "/nowhere", "HOME": "/nowhere"},
    )
    *lines, directive = done.stdout.splitlines()
    printed = [line for line in lines if line]
    assert directive == ":4"
    assert printed == candidates if candidates is not None else "incidents" in printed
