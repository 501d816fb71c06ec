"""The command line of the demo."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from prunella_operator.config.environment import state_home
from prunella_workflows.model.errors import PrunellaError
from walkthrough.console import DemoError, Narrator
from walkthrough.play import Options, play

USAGE = """
examples:
  python hack/demo                      make a cluster, break two workloads, watch them heal, look around
  python hack/demo --once               the same as a test: exit code 0 only when both are healed
  python hack/demo --context staging    on a cluster that you have; what the demo adds is removed at the end
"""
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Play; errors are one message."""
    options = _options(arguments)
    narrator = Narrator()
    try:
        return play(options, narrator)
    except KeyboardInterrupt:
        narrator.say("interrupted")
        return INTERRUPTED
    except (DemoError, PrunellaError, OSError) as error:
        narrator.say(f"error: {error}", "bold red")
        narrator.say(f"All logs are in {options.state}")
        return 1


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="hack/demo",
        description="Two real faults on a real cluster, healed while you watch.",
        epilog=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="prunella-demo", help="name of the cluster (default: %(default)s)")
    parser.add_argument("--context", help="use this context of your own kubeconfig instead of making a cluster")
    parser.add_argument("--once", action="store_true", help="end after the healing; exit code 0 only when both healed")
    parser.add_argument("--keep", action="store_true", help="leave the cluster and what is in it at the end")
    parser.add_argument("--state", type=Path, help="folder of logs and Temporal's file", metavar="FOLDER")
    given = parser.parse_args(arguments if arguments is not None else sys.argv[1:])
    # A name that no cluster can have: hack/cluster keeps its clusters in folders beside.
    state = given.state or state_home() / ".demo"
    return Options(name=given.name, context=given.context, once=given.once, keep=given.keep, state=state.absolute())
