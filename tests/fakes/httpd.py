"""A web server on loopback that a test scripts: it answers by a function and keeps every request."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body or b"{}")


@dataclass
class Answer:
    """A response. A status of 0 closes the connection without one, after the request was carried out."""

    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)


class _Headers(dict):
    """Headers by the names that HTTP gives them, in whatever case they came."""

    def __init__(self, pairs):
        super().__init__({name.title(): value for name, value in pairs})


class Httpd:
    """Use it as a context manager. `answer` gets each request; `failures` are answered first, one a request."""

    def __init__(self, answer=lambda _asked: Answer()):
        self.answer = answer
        self.asked = []
        self.failures = []
        self._lock = threading.Lock()

    def __enter__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement of its head

            def _handle(self):
                outer._serve(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the library's names

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, handler):
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        asked = Asked(handler.command, parts.path, query, _Headers(handler.headers.items()), handler.rfile.read(length))
        with self._lock:
            self.asked.append(asked)
            said = self.failures.pop(0) if self.failures else self.answer(asked)
            if callable(said):
                said = said(asked)
        if said.status == 0:
            handler.close_connection = True
            handler.connection.close()
            return
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        handler.send_response(said.status)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Content-Type", "application/json")
        for name, value in said.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
