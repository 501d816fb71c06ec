"""A process is not ready while its parts are being started: its port answers before."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

from fakes.apiserver import FakeApi, eventually

from prunella_operator.config.settings import Settings
from prunella_operator.runtime import app
from prunella_operator.tasks import end


async def test_it_is_not_ready_before_all_parts_are_started(monkeypatch):
    seen, go_on = [], asyncio.Event()

    @asynccontextmanager
    async def serve(_settings, process):
        seen.append(process)
        await go_on.wait()
        yield

    async def connect(*_args, **_options):
        return None

    core = SimpleNamespace(drain=asyncio.Event().wait)
    monkeypatch.setattr(app, "_serve_http", serve)
    monkeypatch.setattr(app, "connect", connect)
    monkeypatch.setattr(app, "load_access", lambda *_: FakeApi().access)
    monkeypatch.setattr(app, "measured_runtime", lambda _name: (None, core))
    settings = Settings.load({"temporal_address": "127.0.0.1:1"})
    task = asyncio.create_task(app._main(settings, operator=False, worker=False, console=False, telemetry=False))
    await eventually(lambda: seen)
    assert seen[0].readiness() == {"start": "not all parts have been started yet"}
    go_on.set()
    await eventually(lambda: seen[0].readiness() == {})
    await end(task)
