"""PostgreSQL: a pool of connections whose statements are spans, and the migrations of a schema."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import asyncpg

from prunella_operator.observability.tracing import Call
from prunella_workflows.model.errors import Unavailable

_MOST_CONNECTIONS = 8
_TIMEOUT_SECONDS = 10.0
_LOCK = 0x6F726472  # "ordr": one migration at a time
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)


class Session:
    """Statements of one transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def rows(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a statement; return its rows."""
        attributes: dict[str, str | int] = {"db.system.name": "postgresql", "db.query.text": statement}
        with Call(f"postgresql {statement.split(maxsplit=1)[0]}", attributes):
            found: list[asyncpg.Record] = await self._connection.fetch(statement, *arguments)
            return found

    async def row(self, statement: str, *arguments: Any) -> asyncpg.Record | None:
        """Run a statement; return its first row, if any."""
        return next(iter(await self.rows(statement, *arguments)), None)

    async def script(self, statements: str) -> None:
        """Run several statements."""
        await self._connection.execute(statements)


class Database:
    """One schema of a database. Connections are opened at the first use."""

    def __init__(self, url: str, schema: str) -> None:
        self._url, self._schema = url, schema
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """A transaction, which an error rolls back.

        Raises:
            Unavailable: the database does not answer, ended the connection, or asks to repeat the transaction.
        """
        try:
            async with (await self._opened()).acquire(timeout=_TIMEOUT_SECONDS) as connection, connection.transaction():
                yield Session(connection)
        except _AWAY as error:
            raise Unavailable(f"the database: {type(error).__name__}: {error}") from error

    async def migrate(self) -> None:
        """Apply the migrations that are missing, in the order of their names."""
        async with self.transaction() as session:
            await session.rows("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await session.rows(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
            await session.rows("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
            done = {row["name"] for row in await session.rows("SELECT name FROM migrations")}
            folder = files(__package__).joinpath("migrations", self._schema)
            for file in sorted(folder.iterdir(), key=lambda file: file.name):
                if file.name not in done:
                    await session.script(file.read_text())
                    await session.rows("INSERT INTO migrations VALUES ($1)", file.name)

    async def close(self) -> None:
        """End all connections."""
        if self._pool is not None:
            await self._pool.close()

    async def _opened(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=_MOST_CONNECTIONS,
                    command_timeout=_TIMEOUT_SECONDS,
                    server_settings={"application_name": f"orders: {self._schema}", "search_path": self._schema},
                )
        return self._pool
