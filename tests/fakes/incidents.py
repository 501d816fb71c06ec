"""Incidents in memory, for the command line and the console."""

from datetime import UTC, datetime

from prunella_operator.incidents.client import parse
from prunella_workflows.model.errors import NotFound

OPENED = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def incident(name="checkout-1", namespace="shop", phase="Repairing", *, spec=None, **status):
    """An Incident object as the API server sends it."""
    default = {"target": {"kind": "Deployment", "name": "checkout"}, "type": "PodCrashLoop", **(spec or {})}
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "creationTimestamp": OPENED.isoformat()}
    return {"metadata": metadata, "spec": default, "status": {"phase": phase, **status}}


class FakeReader:
    """Incidents in memory; patches are recorded, not applied."""

    namespace = "shop"

    def __init__(self, *raw):
        self.raw = list(raw)
        self.queries = []
        self.patches = []
        self.in_groups = ()

    def find(self, namespace, selector=""):
        self.queries.append((namespace, selector))
        return [item for item in map(parse, self.raw) if namespace in {None, item.namespace}]

    def check_list(self, namespace):
        self.queries.append((namespace, "check"))

    def get(self, namespace, name):
        for item in map(parse, self.raw):
            if (item.namespace, item.name) == (namespace, name):
                return item
        raise NotFound(f"there is no incident {name} in namespace {namespace}")

    def patch(self, item, body):
        self.patches.append((item.name, body))

    def whoami(self):
        return "alice"

    def groups(self):
        return self.in_groups
