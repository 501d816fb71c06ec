"""A real API server with etcd and without a cluster, on loopback: for tests that need flags of their own."""

import json
import subprocess
from contextlib import suppress

import requests
import yaml
from localcluster.ports import free_ports
from support import programs
from telemetrystack.service import Service

ADMIN_TOKEN = "admin-of-the-tests"


class Etcd(Service):
    """The store of one API server."""

    name = "etcd"

    def __init__(self) -> None:
        self._program = programs.program("etcd")
        super().__init__()
        client, peer = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        self.url, self._peer = client, peer

    def prepare(self) -> None:
        """Nothing: it makes its files itself."""

    def command(self) -> list[str]:
        """One member, without fsync."""
        return [
            str(self._program),
            f"--data-dir={self.folder / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={self._peer}",
            f"--initial-advertise-peer-urls={self._peer}",
            f"--initial-cluster=default={self._peer}",
            "--unsafe-no-fsync",
        ]

    def answers(self) -> bool:
        """It is healthy."""
        return _is_ok(f"{self.url}/health")


class ApiServer(Service):
    """RBAC and an audit log of all writes. `flags` are added; `kubeconfig` is that of an administrator."""

    name = "kube-apiserver"

    def __init__(self, authority, etcd: Etcd, *flags: str) -> None:
        self._program = programs.program("kube-apiserver")
        super().__init__()
        self._port, self._authority, self._etcd, self._flags = free_ports(1)[0], authority, etcd, flags
        self._certificate = authority.issue("api-server")
        self.url = f"https://127.0.0.1:{self._port}"
        self.audit_log = self.folder / "audit.log"
        self.kubeconfig = self.folder / "kubeconfig"

    def prepare(self) -> None:
        """Write the keys of service accounts, the administrator's token, the audit policy and the kubeconfig."""
        key = ["openssl", "ecparam", "-genkey", "-noout", "-name", "prime256v1"]
        subprocess.run([*key, "-out", str(self.folder / "accounts.key")], check=True, capture_output=True)
        (self.folder / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,1,"system:masters"\n')
        rules = [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "RequestResponse"}]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
        (self.folder / "audit.json").write_text(json.dumps(policy))
        self.kubeconfig.write_text(yaml.safe_dump(self._kubeconfig()))

    def command(self) -> list[str]:
        """The flags that every API server needs, and ours."""
        certificate, key = self._certificate
        return [
            str(self._program),
            f"--etcd-servers={self._etcd.url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'accounts.key'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
            f"--audit-policy-file={self.folder / 'audit.json'}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-mode=blocking",
            *self._flags,
        ]

    def answers(self) -> bool:
        """All that it starts with is there."""
        return _is_ok(f"{self.url}/readyz", verify=str(self._authority.path))

    def _kubeconfig(self):
        cluster = {"server": self.url, "certificate-authority": str(self._authority.path)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "own",
            "clusters": [{"name": "own", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": ADMIN_TOKEN}}],
            "contexts": [{"name": "own", "context": {"cluster": "own", "user": "admin"}}],
        }


def _is_ok(url: str, **options) -> bool:
    with requests.Session() as session, suppress(requests.RequestException):
        session.trust_env = False  # else REQUESTS_CA_BUNDLE wins over our authority
        return session.get(url, timeout=2, **options).ok
    return False
