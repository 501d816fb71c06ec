"""The command line: one command for each process."""

import asyncio
from typing import Annotated

import typer

from prunella_operator.compat import temporalio as compat_temporalio  # noqa: F401 - before anything else imports temporalio

# isort: split
from prunella_orders import processes
from prunella_orders.load import run as load_run
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


@app.command()
def load(
    url: Annotated[str, typer.Option(help="address of the API")] = "http://127.0.0.1:8081",
    rate: Annotated[float, typer.Option(help="orders a second", min=0.1)] = 2.0,
    seconds: Annotated[float, typer.Option(help="so long", min=1)] = 60.0,
    wait: Annotated[float, typer.Option(help="seconds to wait for answers and ends")] = 600.0,
) -> None:
    """Send orders at a rate, wait for their end and check the books; the exit code is 1 when they are wrong."""
    outcome = asyncio.run(load_run.run(Settings(), load_run.Options(url, rate, seconds, wait)))
    load_run.show(outcome)
    raise typer.Exit(0 if outcome.is_right else 1)
