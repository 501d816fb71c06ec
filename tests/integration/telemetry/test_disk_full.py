"""The database's disk is full: the batch fails for a while, and is stored exactly once when there is room again."""

import os

import asyncpg
import pytest
from support import otlp
from telemetrystack.postgresql import PostgreSQL
from temporalio.exceptions import ApplicationError

from prunella_operator import clock

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
SIZE = "24m"


class SmallDisk(PostgreSQL):
    """The tablespace `small` is on a file system of its own, which no one else sees and which ends with the process."""

    @property
    def place(self):
        return self.folder / "small"

    def command(self):
        owner = {name: self._user.get(name, os.getuid()) for name in ("user", "group")}
        mount = f"mount -t tmpfs -o size={SIZE},mode=700,uid={owner['user']},gid={owner['group']} small {self.place}"
        become = f"setpriv --reuid={owner['user']} --regid={owner['group']} --clear-groups"
        return ["unshare", "--mount", "sh", "-c", f'{mount} && exec {become} "$@"', "sh", *super().command()]

    def user(self):
        """Root, until the file system is there."""
        return {}

    def prepare(self):
        super().prepare()
        self.place.mkdir()


@pytest.fixture
async def database():
    if os.geteuid() != 0:
        pytest.skip("only root can make a small file system")
    with SmallDisk() as running:
        running.ask(f"CREATE TABLESPACE small LOCATION '{running.place}'")
        running.ask("CREATE DATABASE telemetry TABLESPACE small")
        yield f"{running.dsn.rpartition('/')[0]}/telemetry"


async def test_a_full_disk_costs_nothing_but_time(pipe):
    end = int(clock.now().timestamp() * 1e9)
    pipe.send("traces", otlp.traces(50, end))
    await pipe.pump()
    pipe.send("traces", otlp.traces(2000, end, seed=2))
    batch = await pipe.fetch()
    await pipe.ask("CREATE TABLE filler (body text)")
    await pipe.ask("ALTER TABLE filler ALTER body SET STORAGE EXTERNAL")
    await fill(pipe)
    with pytest.raises(ApplicationError, match="DiskFullError") as full:
        await handle(pipe, batch)
    assert (full.value.type, full.value.non_retryable) == ("Unavailable", False)
    await pipe.ask("DROP TABLE filler")
    stored = await handle(pipe, batch)
    assert not stored.already
    assert await pipe.ask("SELECT sum(n) FROM telemetry_red") == [(150 + 6000,)]


async def fill(pipe):
    for size in (100_000, 8_000, 10):
        with pytest.raises(asyncpg.DiskFullError):  # noqa: PT012 - until it does not fit
            while True:
                async with pipe.database._pool.acquire() as connection:
                    await connection.execute("INSERT INTO filler VALUES (repeat('x', $1))", size)


async def handle(pipe, batch):
    await pipe.process(batch)
    return await pipe.run("store", batch)
