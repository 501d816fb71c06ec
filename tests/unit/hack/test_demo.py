"""The demo's Prunella: settings of the person who runs it do not reach it."""

import os

import pytest
from telemetrydemo.processes import Worker
from walkthrough import prunella

from prunella_operator.config.settings import Settings

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
