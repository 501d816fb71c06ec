"""The command line with a cluster of incidents in memory."""

from contextlib import contextmanager

import pytest
from fakes.incidents import FakeReader, incident
from typer.testing import CliRunner

from prunella_operator.cli.main import app
from prunella_operator.cli.options import Tools
from prunella_operator.config.environment import variable
from prunella_operator.config.settings import Settings
from prunella_operator.incidents.client import parse


class Prunella:
    """Runs commands and records their settings."""

    def __init__(self):
        self.reader = FakeReader()
        self.runs = []
        self.settings = None
        self.code = 0
        self.telemetry = False
        self.codec_server = False
        self.archived = []
        self.recorded = {}

    def __call__(self, *arguments):
        tools = Tools(self._reader, self._run, self._archived, self._watch, self._recorded)
        return CliRunner().invoke(app, list(arguments), obj=tools)

    def _reader(self, settings):
        self.settings = settings
        return self.reader

    def _archived(self, settings, since, known):
        if isinstance(self.archived, Exception):
            raise self.archived
        return [incident for incident in map(parse, self.archived) if incident.metadata.uid not in known]

    def _recorded(self, settings, query, progress):
        progress(len(self.recorded[query]), len(self.recorded[query]))
        return self.recorded[query]

    @contextmanager
    def _watch(self, settings, namespace, selector):
        yield lambda: self.reader.find(namespace, selector)

    def _run(self, settings, *, operator=False, worker=False, console=False, telemetry=False, codec_server=False):
        self.runs.append((settings, operator, worker, console))
        self.telemetry = telemetry
        self.codec_server = codec_server
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
