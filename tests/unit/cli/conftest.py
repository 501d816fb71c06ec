"""The command line with a cluster of incidents in memory."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from prunella_operator.cli import app
from prunella_operator.cli_options import Tools
from prunella_operator.environment import variable
from prunella_operator.incidents import parse
from prunella_operator.settings import Settings
from prunella_workflows.errors import NotFound

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


class Prunella:
    """Runs commands and remembers what they asked for."""

    def __init__(self):
        self.reader = FakeReader()
        self.runs = []
        self.settings = None
        self.code = 0

    def __call__(self, *arguments):
        tools = Tools(reader=self._reader, run=self._run)
        return CliRunner().invoke(app, list(arguments), obj=tools)

    def _reader(self, settings):
        self.settings = settings
        return self.reader

    def _run(self, settings, *, operator, worker):
        self.runs.append((settings, operator, worker))
        return self.code


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


@pytest.fixture
def prunella():
    return Prunella()


@pytest.fixture
def make():
    return incident
