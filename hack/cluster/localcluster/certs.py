"""Keys and certificates of one cluster, made with the `openssl` program, and the kubeconfigs that hold them."""

import base64
import json
from pathlib import Path

from localcluster.console import run
from localcluster.instance import Instance

DAYS = "3650"
CONFIG = """[req]
distinguished_name = dn
prompt = no
[dn]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth
"""
USERS = {
    "admin": "/O=system:masters/CN=prunella-admin",
    "kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
}
KUBECONFIGS = ("admin", "controller-manager", "scheduler", "proxy", "kubelet")


def folder(instance: Instance) -> Path:
    """Their folder."""
    return instance.folder / "pki"


def ensure(instance: Instance) -> None:
    """Make them once; a restart of the cluster must keep its keys, or every token would be void."""
    done = folder(instance) / "done"
    if done.exists():
        return
    folder(instance).mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder(instance) / "openssl.cnf").write_text(CONFIG)
    _make_all(instance)
    for user in KUBECONFIGS:
        _write_private(folder(instance) / f"{user}.kubeconfig", kubeconfig(instance, user))
    _write_private(instance.kubeconfig, kubeconfig(instance, "admin"))
    done.touch()


def serving(instance: Instance, name: str, names: str) -> None:
    """Make the key and certificate of one more server, once."""
    if not (folder(instance) / f"{name}.crt").exists():
        _certificate(instance, name, f"/CN={name}", "ca", names)


def _make_all(instance: Instance) -> None:
    for authority in ("ca", "front-proxy-ca"):
        _certificate(instance, authority, f"/CN=prunella-{instance.name}-{authority}")
    names = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    names += f",DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:{instance.address},IP:{instance.services[1]}"
    _certificate(instance, "apiserver", "/CN=kube-apiserver", "ca", names)
    node = f"/O=system:nodes/CN=system:node:{instance.node}"
    _certificate(instance, "kubelet", node, "ca", f"DNS:{instance.node},IP:{instance.address}")
    for user, subject in USERS.items():
        _certificate(instance, user, subject, "ca")
    # The aggregation layer trusts an authority of its own, or every client could claim to be anybody.
    _certificate(instance, "front-proxy", "/CN=front-proxy-client", "front-proxy-ca")
    _service_account_key(folder(instance))


def _certificate(instance: Instance, name: str, subject: str, signer: str | None = None, names: str = "") -> None:
    """Elliptic keys: a dozen RSA keys would take most of the start-up time."""
    pki = folder(instance)
    command = [
        "openssl",
        "req",
        "-x509",
        "-config",
        str(pki / "openssl.cnf"),
        "-days",
        DAYS,
        "-subj",
        subject,
    ]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(pki / f"{name}.key"), "-out", str(pki / f"{name}.crt")]
    if signer:
        command += ["-CA", str(pki / f"{signer}.crt"), "-CAkey", str(pki / f"{signer}.key")]
    command += ["-extensions", "leaf" if signer else "authority"]
    command += ["-addext", f"subjectAltName={names}"] if names else []
    run(*command)


def _service_account_key(pki: Path) -> None:
    key, public = pki / "service-account.key", pki / "service-account.pub"
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", key)
    run("openssl", "pkey", "-in", key, "-pubout", "-out", public)


def kubeconfig(instance: Instance, user: str) -> str:
    """As JSON, which is YAML too; everything inside, so that the file can be copied anywhere."""
    pki = folder(instance)
    name = f"prunella-{instance.name}"
    cluster = {"server": instance.url, "certificate-authority-data": _encoded(pki / "ca.crt")}
    keys = {
        "client-certificate-data": _encoded(pki / f"{user}.crt"),
        "client-key-data": _encoded(pki / f"{user}.key"),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": keys}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    return json.dumps(content, indent=2) + "\n"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
