"""The two parts of the demo that are Prunella's own or come with it: the Temporal development server and the worker."""

import sys
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localcluster.environment import caller_environment
from localcluster.ports import listens
from telemetrystack.service import Service

from prunella_operator.config.environment import variable
from prunella_operator.config.settings import Settings
from prunella_operator.temporal import dev_server


class Temporal(Service):
    """The development server."""

    name = "temporal"

    def __init__(self, settings: Settings, log: Path) -> None:
        super().__init__(log)
        database = str(self.folder / "temporal.db")
        self._settings = settings.model_copy(update={"temporal_db": database})

    def prepare(self) -> None:
        """Nothing: it makes its file itself."""

    def command(self) -> list[str]:
        """As `prunella run` starts it."""
        return dev_server.arguments(self._settings)

    def answers(self) -> bool:
        """It listens."""
        return listens(self._settings.temporal_port)


class Worker(Service):
    """`prunella telemetry worker`."""

    name = "worker"

    def __init__(self, settings: Settings, log: Path) -> None:
        super().__init__(log)
        self._settings = settings

    def prepare(self) -> None:
        """Nothing: it makes the schema itself."""

    def command(self) -> list[str]:
        """The command of a person."""
        return [sys.executable, "-m", "prunella_operator", "telemetry", "worker"]

    def environment(self) -> Mapping[str, str]:
        """Settings are environment variables, as in a pod."""
        return {**caller_environment(), **variables(self._settings)}

    def answers(self) -> bool:
        """It says that it is ready."""
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self._settings.http_port}/readyz", timeout=2),
        ):
            return True
        return False


def variables(settings: Settings) -> dict[str, str]:
    """The settings that were given, as environment variables."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        variable(name): ",".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items()
    }
