"""A third-party mutating admission webhook: it changes new pods, which then differ from their template.

It runs in the test's process, on the address by which our own cluster reaches this machine.
"""

import base64
import json
import ssl
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.api import Object
from support.cases.run import CaseRun

_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_LIMIT = "/spec/containers/0/resources/limits/memory"


def lower_limits(run: CaseRun, memory: str) -> None:
    """Give every new pod of the case's namespace this limit from now on."""
    _change_pods(run, {"op": "replace", "path": _LIMIT, "value": memory})


def inject(run: CaseRun, container: Object) -> None:
    """Put another container into every new pod of the case's namespace from now on."""
    _change_pods(run, {"op": "add", "path": "/spec/containers/-", "value": container})
    run.cluster_scoped.append(f"{_CONFIGURATIONS}/{run.namespace}")


def _change_pods(run: CaseRun, step: Object) -> None:
    address = _this_machine(run)
    with tempfile.TemporaryDirectory() as folder:
        chain, key = certificate(Path(folder), address)
        server = ThreadingHTTPServer((address, 0), _handler(step))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        authority = base64.b64encode(chain.read_bytes()).decode()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run.api.create(_CONFIGURATIONS, _configuration(run, f"https://{address}:{server.server_port}/", authority))


def leave_pods(run: CaseRun) -> None:
    """Stop changing pods."""
    run.api.delete(f"{_CONFIGURATIONS}/{run.namespace}")


def _this_machine(run: CaseRun) -> str:
    """The API server is at 10.88.N.2, and this machine at 10.88.N.1."""
    host = run.api.server.removeprefix("https://").partition(":")[0]
    network, _, last = host.rpartition(".")
    assert (network[:6], last) == ("10.88.", "2"), "only our own cluster is known to reach this machine"
    return f"{network}.1"


def certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """A certificate for this address, which is its own authority, and its key. Valid for two days."""
    chain, key = folder / "tls.crt", folder / "tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=webhook", "-addext", f"subjectAltName=IP:{address}"]
    subprocess.run([*command, "-keyout", key, "-out", chain], check=True, capture_output=True, timeout=30)
    return chain, key


def _configuration(run: CaseRun, url: str, authority: str) -> dict[str, object]:
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    hook = {
        "name": "pods.shop.example.org",
        "clientConfig": {"url": url, "caBundle": authority},
        "rules": [pods],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": run.namespace}},
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": run.namespace},
        "webhooks": [hook],
    }


def _handler(step: Object) -> type[BaseHTTPRequestHandler]:
    patch = base64.b64encode(json.dumps([step]).encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
            body = json.dumps({**review, "request": None, "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
