"""The orders' benchmark: which Temporal the system gets, and the table of all modes. Nothing is started."""

import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))  # scripts, not a package

import orders


class Temporal:
    """Stands for Temporal with PostgreSQL, which takes minutes to build."""

    settings = SimpleNamespace(temporal_address="127.0.0.9:7233", temporal_namespace="shop")
    pids = {"temporal-frontend": 7}  # noqa: RUF012

    def __init__(self, folder):
        assert folder.parent.is_dir()

    @contextmanager
    def opened(self):
        yield self


@pytest.fixture
def made(monkeypatch):
    """The arguments with which stacks are made."""
    found = []

    def stack(_logs, **arguments):
        found.append(arguments)
        return nullcontext(SimpleNamespace(parts={"api": SimpleNamespace(pid=8)}))

    monkeypatch.setattr(orders, "Stack", stack)
    monkeypatch.setattr(orders, "TemporalOnPostgreSQL", Temporal)
    return found


def test_a_system_with_postgresql_behind_temporal(made):
    with orders.system(postgresql=True) as whole:
        assert whole.pids == {"temporal-frontend": 7, "api": 8}
    assert made == [{"temporal": "127.0.0.9:7233", "more": {"ORDERS_TEMPORAL_NAMESPACE": "shop"}}]


def test_a_system_of_its_own(made):
    with orders.system(traced=True) as whole:
        assert whole.pids == {"api": 8}
    assert made[0]["temporal"] == ""
    assert list(made[0]["more"]) == ["OTEL_EXPORTER_OTLP_ENDPOINT"]


@pytest.mark.parametrize(("arguments", "count"), [([], 2), (["--temporal", "postgresql"], 3)])
def test_postgresql_is_measured_beside_the_embedded_server(arguments, count, monkeypatch, capsys):
    modes = []

    def measure(_options, mode):
        modes.append(orders.MODES[mode])
        name = "temporal-frontend" if "postgresql" in modes[-1] else "temporal"
        return orders.Result(4.0, 2.0, {"p50": 0.1, "p99": 0.2}, {"api": 0.01, name: 0.3}, 1.5)

    monkeypatch.setattr(sys, "argv", ["orders.py", *arguments])
    monkeypatch.setattr(orders, "measure", measure)
    monkeypatch.setattr(orders.signal, "signal", lambda *_: None)
    orders.main()
    shown = capsys.readouterr().out
    assert modes == [{}, {"traced": True}, {"postgresql": True}][:count]
    assert ("CPU of temporal-frontend" in shown) is ("PostgreSQL" in shown) is (count == 3)
    assert "cost of tracing: +0 % CPU" in shown
