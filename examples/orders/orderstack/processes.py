"""The processes of the order system, and a mail server that prints."""

import os
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localcluster.ports import free_ports, listens
from telemetrystack.service import Service

PACKAGE = Path(__file__).parents[1]


class OrderProcess(Service):
    """`python -m prunella_orders COMMAND`, with settings as environment variables, as in a pod."""

    name = "orders"
    start_within = 180.0  # on a machine that is busy with something else

    def __init__(self, command: str, variables: Mapping[str, str], log: Path | None = None) -> None:
        super().__init__(log)
        self._command = command
        self.port = free_ports(1)[0]
        self._variables = {**variables, "ORDERS_HTTP_PORT": str(self.port)}

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Nothing: it makes its schema itself."""

    def command(self) -> list[str]:
        """The command of a person."""
        return [sys.executable, "-m", "prunella_orders", self._command]

    def environment(self) -> Mapping[str, str]:
        """No other setting of this shell reaches it."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("ORDERS_")}
        return {**others, "PYTHONPATH": str(PACKAGE), **self._variables}

    def answers(self) -> bool:
        """It says that it is ready."""
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=2):  # noqa: S310 - its own address
            return True
        return False


class Mailbox(Service):
    """A mail server that prints what it gets into its log."""

    name = "mailbox"

    def __init__(self, log: Path | None = None) -> None:
        super().__init__(log)
        self.port = free_ports(1)[0]

    def prepare(self) -> None:
        """Nothing: it has no state."""

    def command(self) -> list[str]:
        """The program of aiosmtpd."""
        handler = "aiosmtpd.handlers.Debugging"
        return [sys.executable, "-u", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{self.port}", "-c", handler, "stdout"]

    def answers(self) -> bool:
        """It listens."""
        return listens(self.port)
