"""The demo: settings of the person who runs it do not reach its Prunella, and it overwrites no namespace of others."""

import os

import pytest
from telemetrydemo.processes import Worker
from walkthrough import prunella
from walkthrough.console import DemoError, Narrator
from walkthrough.demo import Options, run_demo
from walkthrough.shop import check_namespace

from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.errors import NotFound

SETTINGS = Settings(http_port=8123)
OF_THE_CALLER = ("PRUNELLA_TASK_QUEUE", "TEMPORAL_ADDRESS", "TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE")


@pytest.fixture
def of_the_caller(monkeypatch):
    """Variables that would lead a process to another server or queue."""
    for name in OF_THE_CALLER:
        monkeypatch.setenv(name, "of-the-caller")


def of_prunella(monkeypatch, tmp_path):
    """The environment in which the demo starts `prunella run`."""
    monkeypatch.setattr(prunella, "start", lambda _command, _log, environment: environment)
    return prunella.start_prunella(SETTINGS, tmp_path / "log")


def of_the_worker(_monkeypatch, tmp_path):
    """The environment of the telemetry demo's worker."""
    return Worker(SETTINGS, tmp_path / "log").environment()


@pytest.mark.parametrize("environment_of", [of_prunella, of_the_worker])
def test_settings_of_the_caller_do_not_reach_it(environment_of, of_the_caller, monkeypatch, tmp_path):
    found = environment_of(monkeypatch, tmp_path)
    assert "of-the-caller" not in found.values()
    assert (found["TEMPORAL_CONFIG_FILE"], found["PRUNELLA_HTTP_PORT"]) == (os.devnull, "8123")


class Server:
    """An API server with one namespace `shop`, or none; it keeps the calls."""

    def __init__(self, *managers, exists=True):
        self.managers, self.exists, self.calls = managers, exists, []

    def call(self, method, path, *_body, **_parameters):
        """Answer the look at the namespace."""
        self.calls.append((method, path))
        if not self.exists:
            raise NotFound(path)
        return {"metadata": {"name": "shop", "managedFields": [{"manager": manager} for manager in self.managers]}}


@pytest.mark.parametrize("managers", [(), ("kubectl-create",), ("helm", "argocd-controller")])
def test_a_namespace_of_others_is_refused_before_anything_is_written(managers, monkeypatch, tmp_path):
    server = Server(*managers)
    monkeypatch.setattr(SyncClient, "connect", lambda _settings: server)
    options = Options(name="demo", context="staging", once=True, keep=False, state=tmp_path)
    with pytest.raises(DemoError, match="Nothing was changed"):
        run_demo(options, Narrator())
    assert server.calls == [("GET", "/api/v1/namespaces/shop")]


@pytest.mark.parametrize("server", [Server(exists=False), Server("prunella-demo", "kubectl-label")])
def test_a_free_namespace_and_that_of_an_earlier_demo_are_taken(server):
    check_namespace(server)
