"""A Prometheus that speaks the real HTTP API on loopback, and misbehaves on request."""

import gzip
import json
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from prunella_operator import clock


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    params: dict
    headers: dict


@dataclass
class FakePrometheus:
    """Answer `data` with code 200, or what `answer` returns. `asked` are the requests."""

    data: object = None
    code: int = 200
    more: dict = field(default_factory=dict)
    """Further fields of the body, such as warnings."""
    body: bytes | None = None
    """The whole body, instead of a right one."""
    headers: dict = field(default_factory=dict)
    before: float = 0.0
    """Seconds until the answer begins."""
    drip: float = 0.0
    """Seconds between two bytes of the body."""
    chunked: bool = False
    zipped: bool = False
    asked: list = field(default_factory=list)
    url: str = ""

    def vector(self, *values, at=None, **labels):
        """Answer with one series a value, measured at a time (now by default)."""
        at = clock.now().timestamp() if at is None else at
        series = [{"metric": {**labels, "n": str(n)}, "value": [at, str(value)]} for n, value in enumerate(values)]
        self.data = {"resultType": "vector", "result": series}

    def content(self):
        if self.body is not None:
            return self.body
        whole = {"status": "success" if self.code == 200 else "error", "data": self.data, **self.more}
        return json.dumps(whole).encode()


@contextmanager
def serving(certificate=None):
    """A server of its own port; `certificate` is a PEM file with key and certificate."""
    fake = FakePrometheus()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    scheme = "http"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    fake.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(fake):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._answer(parse_qs(urlsplit(self.path).query))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(parse_qs(body) | parse_qs(urlsplit(self.path).query))

        def _answer(self, params):
            flat = {name: values[0] for name, values in params.items()}
            fake.asked.append(Asked(self.command, urlsplit(self.path).path, flat, dict(self.headers)))
            time.sleep(fake.before)
            content = fake.content()
            self.send_response(fake.code)
            if fake.zipped:
                content = gzip.compress(content)
                self.send_header("Content-Encoding", "gzip")
            for name, value in fake.headers.items():
                self.send_header(name, value)
            if fake.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self._send(content)

        def _send(self, content):
            size = 1 if fake.drip else 65536
            for start in range(0, len(content), size):
                piece = content[start : start + size]
                try:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if fake.chunked else piece)
                    self.wfile.flush()
                except OSError:
                    return  # the client had enough
                time.sleep(fake.drip)
            if fake.chunked:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *arguments):
            pass

    return Handler
