"""The command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from localcluster.console import ClusterError
from walkthrough.console import DemoError, Narrator

from orderhealing.faults import FAULTS
from orderhealing.options import Options
from orderhealing.run import run
from prunella_operator.config.environment import state_home
from prunella_workflows.model.errors import PrunellaError

_TEACHING = """
What happens: a local cluster with Prometheus and Alertmanager, the image of the order application, PostgreSQL, Temporal
and a mail server beside the cluster, the manifests of examples/orders/manifests/healing, and Prunella. Then one fault
after the other, each under load: 30 s without it, the fault, its repair, 30 s without it, the end of all orders, and
the audit of the books. The last lines are a table.

faults:
{faults}

examples:
  python hack/orders                          all of it, in about half an hour; the cluster is removed at the end
  python hack/orders --keep --only release    one fault; the next run finds the cluster and is quicker
  python hack/orders --resume                 after Ctrl-C: only what has no row in the table yet
  python hack/orders --explore                keep everything running after the table, with commands to try

Exit code: 0 when every fault ended as it should, no order was lost, the books are right, and nothing else was changed.
Needs Linux, root, Go and PostgreSQL's programs for the cluster, and Debian 12 with Python 3.11 for the image.
"""
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; what a person can act on is one message, without a traceback."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    narrator = Narrator()
    try:
        return run(options, narrator)
    except KeyboardInterrupt:
        narrator.print("interrupted; --resume goes on with the faults that have no row yet")
        return INTERRUPTED
    except (DemoError, ClusterError, PrunellaError, OSError) as error:
        narrator.print(f"error: {error}", "bold red")
        narrator.print(f"All logs are in {options.state}")
        return 1


def _parse(arguments: Sequence[str]) -> Options:
    faults = "\n".join(f"  {name:<9} {fault.title}" for name, fault in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="hack/orders",
        description="The order application under load on a real cluster: broken, healed by Prunella, and audited.",
        epilog=_TEACHING.format(faults=faults),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--name", default="prunella-orders", help="name of the local cluster (default: %(default)s)")
    add("--only", action="append", choices=list(FAULTS), default=[], help="play only this fault; may be repeated")
    add("--rate", type=float, default=0.8, help="orders a second (default: %(default)s)")
    add("--peak", type=float, default=3.0, help="orders a second at the peak, for the backlog (default: %(default)s)")
    add("--resume", action="store_true", help="keep the rows of the last run, and play only what is missing")
    add("--keep", action="store_true", help="keep the cluster at the end")
    add("--explore", action="store_true", help="keep everything running after the table until Ctrl-C")
    add("--state", type=Path, default=state_home() / ".orders", help="folder for logs and rows (default: %(default)s)")
    given = parser.parse_args(arguments)
    if not 0 < given.rate < given.peak:
        parser.error("--rate must be positive and below --peak")
    values = vars(given)
    return Options(**{**values, "only": tuple(given.only), "state": given.state.absolute()})
