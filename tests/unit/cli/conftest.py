"""The command line with a cluster of incidents in memory."""

import pytest
from fakes.incidents import FakeReader, incident
from typer.testing import CliRunner

from prunella_operator.cli import app
from prunella_operator.cli_options import Tools
from prunella_operator.environment import variable
from prunella_operator.settings import Settings


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

    def _run(self, settings, *, operator, worker, console):
        self.runs.append((settings, operator, worker, console))
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
