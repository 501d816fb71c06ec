"""The command line: one command for each process."""

import typer

from prunella_operator.compat import temporalio as compat_temporalio  # noqa: F401 - before anything else imports temporalio

# isort: split
from prunella_orders import processes
from prunella_orders.runtime import run
from prunella_orders.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="An order system on Temporal.")


@app.command()
def api() -> None:
    """Serve the HTTP API."""
    run(processes.api(Settings()))


@app.command()
def worker() -> None:
    """Run the workflows and activities of orders."""
    run(processes.worker(Settings()))


@app.command()
def payments() -> None:
    """Serve the payment service."""
    run(processes.payments(Settings()))


@app.command()
def carrier() -> None:
    """Serve the carrier."""
    run(processes.carrier(Settings()))
