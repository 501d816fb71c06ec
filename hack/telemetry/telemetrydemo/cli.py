"""The command line: the demo, and the load generator alone."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc
from localcluster.console import ClusterError
from otlpload.faults import Fault, FaultKind, Part
from otlpload.shop import OPERATIONS
from walkthrough.console import DemoError, Narrator

from prunella_operator.config.environment import state_home
from prunella_workflows.model.errors import PrunellaError
from telemetrydemo.cluster import run_cluster_demo
from telemetrydemo.demo import run_demo
from telemetrydemo.load import run_load
from telemetrydemo.steps import Options

USAGE = """
examples:
  python hack/telemetry demo --once                     exit code 0 only when the alert was raised
  python hack/telemetry demo --cluster                  a release whose pods are Ready but fail is rolled back
  python hack/telemetry demo --service cart --fault latency --part one-node
  python hack/telemetry load 127.0.0.1:4317 --rate 50   send to a Collector of yours until Ctrl-C
"""
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an error is one message."""
    options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    narrator = Narrator()
    fault = Fault(FaultKind(options.fault), options.service, Part(options.part)) if options.fault else None
    try:
        if options.command == "load":
            return run_load(options.address, options.rate, options.seconds, fault, narrator)
        assert fault
        name = options.name if options.cluster or options.context else ""
        chosen = Options(fault, options.rate, options.once, options.state.absolute(), name, options.context)
        return run_cluster_demo(chosen, narrator) if chosen.cluster else run_demo(chosen, narrator)
    except KeyboardInterrupt:
        narrator.print("interrupted")
        return INTERRUPTED
    except (DemoError, ClusterError, PrunellaError, OSError, grpc.RpcError) as error:
        narrator.print(f"error: {error}", "bold red")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hack/telemetry",
        description="The telemetry pipeline with everything around it, on this machine.",
        epilog=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    demo = commands.add_parser("demo", help="start all parts, break a service, and show what follows")
    demo.add_argument("--once", action="store_true", help="exit after the alert; exit code 0 only when it was raised")
    demo.add_argument("--cluster", action="store_true", help="with a local cluster: to the Incident and its repair")
    demo.add_argument("--context", help="the same with this context of your kubeconfig")
    demo.add_argument("--name", default="prunella-telemetry", help="name of the local cluster (default: %(default)s)")
    demo.add_argument("--state", type=Path, default=state_home() / ".telemetry", help="folder for logs (%(default)s)")
    _add_load_options(demo, rate=30, fault=FaultKind.ERRORS, part=Part.NEW_PODS)
    load = commands.add_parser("load", help="send OTLP to a Collector, with or without a fault")
    load.add_argument("address", metavar="HOST:PORT", help="the Collector's port for gRPC")
    load.add_argument("--seconds", type=int, help="default: until Ctrl-C")
    _add_load_options(load, rate=30, fault=None, part=Part.ALL)
    return parser


def _add_load_options(parser: argparse.ArgumentParser, rate: float, fault: FaultKind | None, part: Part) -> None:
    services, kinds, parts = list(OPERATIONS), [kind.value for kind in FaultKind], [each.value for each in Part]
    parser.add_argument("--rate", type=float, default=rate, help="traces a second (default: %(default)s)")
    parser.add_argument("--fault", choices=kinds, default=fault, help="what goes wrong (default: %(default)s)")
    parser.add_argument("--service", choices=services, default="payment", help="where (default: %(default)s)")
    parser.add_argument("--part", choices=parts, default=part, help="in which of its pods (default: %(default)s)")
