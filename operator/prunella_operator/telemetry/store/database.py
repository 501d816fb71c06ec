"""Connections to the telemetry database, and its errors as ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from prunella_operator.config.settings import Settings
from prunella_operator.telemetry.store.schema import migrate
from prunella_workflows.model.errors import AuthenticationError, InvalidInputError, Unavailable

_MOST_CONNECTIONS = 8
_TIMEOUT_SECONDS = 60.0
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # the disk is full, among others
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.UndefinedTableError,  # no telemetry worker has started yet
)
_REFUSED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError)


class Database:
    """A pool of connections, opened at the first use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self.timescale = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection.

        Raises:
            Unavailable: the database does not answer, ended the connection, or has no room.
            AuthenticationError: it refuses our account.
        """
        try:
            async with (await self._opened()).acquire(timeout=_TIMEOUT_SECONDS) as connection:
                yield connection
        except _REFUSED as error:
            raise AuthenticationError(f"the telemetry database refuses: {error}") from error
        except _AWAY as error:
            raise Unavailable(f"the telemetry database: {type(error).__name__}: {error}") from error

    async def migrate(self) -> None:
        """Create what is missing in the schema."""
        async with self.connection() as connection:
            self.timescale = await migrate(connection)

    async def close(self) -> None:
        """End all connections."""
        if self._pool is not None:
            await self._pool.close()

    async def _opened(self) -> asyncpg.Pool:
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                self._url, min_size=0, max_size=_MOST_CONNECTIONS, command_timeout=_TIMEOUT_SECONDS,
                server_settings={"application_name": "prunella", "timezone": "UTC"},
            )  # fmt: skip
        return self._pool


def read_url(settings: Settings) -> str:
    """The URL of the database.

    Raises:
        InvalidInputError: no file is set, or it cannot be read.
    """
    if not settings.telemetry_database_url_file:
        raise InvalidInputError("telemetry_database_url_file is not set: the file with the telemetry database's URL")
    try:
        return Path(settings.telemetry_database_url_file).read_text().strip()
    except OSError as error:
        raise InvalidInputError(f"telemetry_database_url_file: {error}") from error
