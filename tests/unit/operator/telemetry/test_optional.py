"""The telemetry pipeline is optional: none of it is imported by the other commands."""

import socket
import subprocess
import sys

import pytest
from builders import WEB

import prunella_operator
from prunella_operator.activities.evidence.telemetry import NotConfigured
from prunella_operator.config.settings import Settings
from prunella_operator.runtime.worker import create_telemetry_source
from prunella_workflows.model.errors import InvalidInputError, Unavailable

IMPORTS = """
import sys
import prunella_operator.cli.main, prunella_operator.runtime.app, prunella_operator.runtime.worker
import prunella_operator.console.serve
names = ("asyncpg", "confluent_kafka", "polars", "ptars", "pyarrow", "prunella_operator.telemetry")
print([name for name in names if name in sys.modules])
"""


def test_operator_and_worker_import_none_of_it():
    ran = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def settings(tmp_path, url):
    (tmp_path / "url").write_text(url)
    return Settings.load({"telemetry_database_url_file": str(tmp_path / "url")})


def test_evidence_without_a_database():
    source = create_telemetry_source(Settings.load({}))
    assert isinstance(source, NotConfigured)
    assert source.read(WEB) is None


def test_a_database_without_the_extra_is_a_mistake_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.setattr(prunella_operator, "telemetry", None, raising=False)  # put back with its modules
    for name in [name for name in sys.modules if name.startswith("prunella_operator.telemetry")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InvalidInputError, match="pip install"):
        create_telemetry_source(settings(tmp_path, "postgresql://127.0.0.1:1/prunella"))


def test_a_database_that_is_away_is_unavailable_and_no_reason_to_stop(tmp_path):
    source = create_telemetry_source(settings(tmp_path, "postgresql://prunella@127.0.0.1:1/prunella"))
    with pytest.raises(Unavailable):
        source.read(WEB)


def test_a_database_that_accepts_and_says_nothing_is_given_up_in_time(tmp_path, monkeypatch):
    from prunella_operator.telemetry import source as module

    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = create_telemetry_source(
            settings(tmp_path, f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/prunella")
        )
        with pytest.raises(Unavailable, match="does not answer"):
            source.read(WEB)
