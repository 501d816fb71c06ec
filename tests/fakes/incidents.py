"""Incidents in memory, as the command line and the console read and answer them."""

from datetime import UTC, datetime

from prunella_operator.incidents.client import parse
from prunella_workflows.model.errors import NotFound

OPENED = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def incident(name="checkout-1", namespace="shop", phase="Repairing", *, spec=None, **status):
    """An Incident object as the API server sends it."""
    wanted = {"target": {"kind": "Deployment", "name": "checkout"}, "type": "PodCrashLoop", **(spec or {})}
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "creationTimestamp": OPENED.isoformat()}
    return {"metadata": metadata, "spec": wanted, "status": {"phase": phase, **status}}


class FakeReader:
    """Incidents in memory; patches are recorded, not applied."""

    namespace = "shop"

    def __init__(self, *raw):
        self.raw = list(raw)
        self.asked = []
        self.patches = []
        self.in_groups = ()

    def find(self, namespace, selector=""):
        self.asked.append((namespace, selector))
        return [one for one in map(parse, self.raw) if namespace in {None, one.namespace}]

    def get(self, namespace, name):
        for one in map(parse, self.raw):
            if (one.namespace, one.name) == (namespace, name):
                return one
        raise NotFound(f"there is no incident {name} in namespace {namespace}")

    def patch(self, one, body):
        self.patches.append((one.name, body))

    def whoami(self):
        return "alice"

    def groups(self):
        return self.in_groups
