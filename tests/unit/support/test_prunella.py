"""The environment of Prunella's processes: settings of the person who runs the tests do not reach them."""

import os

from support.prunella import PrunellaProcess

from prunella_operator.config.settings import Settings


def test_settings_of_the_caller_do_not_reach_a_process(tmp_path, monkeypatch):
    for name in ("PRUNELLA_TASK_QUEUE", "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE"):
        monkeypatch.setenv(name, "of-the-caller")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "of-the-caller.toml"))
    found = PrunellaProcess(tmp_path, tmp_path / "kubeconfig", max_activities=3).environment()
    assert "of-the-caller" not in found.values()
    assert found["TEMPORAL_CONFIG_FILE"] == os.devnull
    assert found["PRUNELLA_MAX_ACTIVITIES"] == "3"
    assert found["PATH"] == os.environ["PATH"]


def test_a_process_has_the_default_address_of_temporal(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
    process = PrunellaProcess(tmp_path, tmp_path / "kubeconfig")
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in process.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load({}).temporal_address == Settings().temporal_address
