"""The command line's calls to the API server, over real HTTP to a small server of our own."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.api import APPLY_PATCH, MERGE_PATCH
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.errors import Conflict, Forbidden, NotFound, Refused, Unavailable


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.seen.append(
            (self.command, self.path, self.headers["Content-Type"], self.headers["Authorization"], body)
        )
        status, text = (200, "ok") if self.path == "/readyz" else self.server.reply
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def date_time_string(self, timestamp=None):
        return "Tue, 24 Nov 2026 11:00:00 GMT"

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.seen, served.reply = [], (200, "{}")
        thread = threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def kube(server):
    access = Access(
        server=f"http://127.0.0.1:{server.server_port}", namespace="shop", authorization=lambda: "Bearer token"
    )
    with_rest = SyncClient(access, timeout=2.0)
    yield with_rest
    with_rest.close()


@pytest.mark.parametrize(
    ("method", "body", "content_type"),
    [
        ("GET", None, "application/json"),
        ("POST", {"a": 1}, "application/json"),
        ("PATCH", {"a": None}, MERGE_PATCH),
        ("PATCH", {"a": 1}, APPLY_PATCH),
        ("DELETE", {"propagationPolicy": "Background"}, "application/json"),
    ],
)
def test_requests_carry_body_type_and_credentials(server, kube, method, body, content_type):
    assert kube.call(method, "/x", body, content_type, labelSelector="a=b") == {}
    assert server.seen == [(method, "/x?labelSelector=a%3Db", content_type, "Bearer token", body)]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (422, Refused),
        (400, Refused),
        (429, Unavailable),
        (500, Unavailable),
    ],
)
def test_refusals_are_our_errors_in_the_api_servers_words(server, kube, status, error):
    server.reply = (status, json.dumps({"message": "because"}))
    with pytest.raises(error, match="because"):
        kube.call("GET", "/x")


@pytest.mark.parametrize("page", ["<html>proxy</html>", "[]", ""])
def test_an_answer_that_is_no_status_still_has_a_message(server, kube, page):
    server.reply = (502, page)
    with pytest.raises(Unavailable, match=r"502|proxy|\[\]"):
        kube.call("GET", "/x")


def test_the_clock_is_the_servers(kube):
    assert kube.date() == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def test_nobody_there_is_told_at_once():
    kube = SyncClient(Access(server="http://127.0.0.1:1"), timeout=2.0)
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1 does not answer"):
        kube.call("GET", "/x")
