"""The command line of the demo."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from prunella_operator.config.environment import state_home
from prunella_workflows.model.errors import PrunellaError
from walkthrough.console import DemoError, Narrator
from walkthrough.demo import Options, run_demo

USAGE = """
examples:
  python hack/demo                      create a cluster, break two workloads, watch them heal, explore
  python hack/demo --once               non-interactive: exit code 0 only when both are healed
  python hack/demo --context kind-try   on a throw-away cluster without the namespace shop; what it adds is removed
"""
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; an error is one message."""
    options = _parse(arguments)
    narrator = Narrator()
    try:
        return run_demo(options, narrator)
    except KeyboardInterrupt:
        narrator.print("interrupted")
        return INTERRUPTED
    except (DemoError, PrunellaError, OSError) as error:
        narrator.print(f"error: {error}", "bold red")
        narrator.print(f"All logs are in {options.state}")
        return 1


def _parse(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="hack/demo",
        description="Two real faults on a real cluster, healed by Prunella.",
        epilog=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="prunella-demo", help="name of the cluster (default: %(default)s)")
    parser.add_argument("--context", help="use this context of your kubeconfig instead of creating a cluster")
    parser.add_argument("--once", action="store_true", help="exit after the healing; exit code 0 only when both healed")
    parser.add_argument("--keep", action="store_true", help="keep the cluster and everything in it at the end")
    parser.add_argument("--state", type=Path, help="folder for logs and Temporal's database", metavar="FOLDER")
    given = parser.parse_args(arguments if arguments is not None else sys.argv[1:])
    # Not a valid cluster name: hack/cluster keeps its clusters in sibling folders.
    state = given.state or state_home() / ".demo"
    return Options(name=given.name, context=given.context, once=given.once, keep=given.keep, state=state.absolute())
