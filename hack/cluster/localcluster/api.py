"""The few reads of the API server that starting and stopping needs, without starting kubectl for each."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from localcluster import certs
from localcluster.instance import Instance


def get(instance: Instance, path: str, timeout: float = 2) -> str | None:
    """The answer's text, or None when there is no good answer yet."""
    pki = certs.folder(instance)
    try:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        with urllib.request.urlopen(instance.url + path, timeout=timeout, context=context) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return None


def answers(url: str, *, post: bool = False, timeout: float = 5) -> bool:
    """Does a component without keys answer well?"""
    try:
        with urllib.request.urlopen(url, data=b"" if post else None, timeout=timeout):
            return True
    except (urllib.error.URLError, OSError):
        return False


def ready(instance: Instance) -> bool:
    """Does the API server serve?"""
    return get(instance, "/readyz") == "ok"


def node_ready(instance: Instance) -> bool:
    """Are all nodes there and Ready?"""
    nodes = _items(instance, "/api/v1/nodes")
    return len(nodes) >= instance.nodes and all(map(_is_ready, nodes))


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def usable(instance: Instance) -> bool:
    """Can a pod be created in the default namespace?"""
    return get(instance, "/api/v1/namespaces/default/serviceaccounts/default") is not None


def _items(instance: Instance, path: str) -> list[dict[str, Any]]:
    text = get(instance, path)
    items: list[dict[str, Any]] = json.loads(text)["items"] if text else []
    return items
