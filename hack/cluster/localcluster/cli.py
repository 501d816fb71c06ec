"""The command line: names, options and help."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from localcluster import commands
from localcluster.console import ClusterError

USAGE = """
examples:
  python hack/cluster up                  make the cluster, or complete it
  eval "$(python hack/cluster env)"       use it with kubectl in this shell
  python hack/cluster logs kubelet -f     follow the log of a component
  python hack/cluster up --name bench --simulated --nodes 10
  python hack/cluster down                remove every trace of it
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what the user can act on is one message, without a traceback."""
    options = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """All commands and options, with their help."""
    top = argparse.ArgumentParser(
        prog="hack/cluster",
        description="A local Kubernetes cluster for development, tests and benchmarks.",
        epilog=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = top.add_subparsers(required=True, metavar="command")
    add = partial(_command, subparsers)
    start = add("up", commands.up, "start the cluster, or what is missing of it")
    _add_start_options(start)
    add("down", commands.down, "stop it and remove every trace; the build cache stays")
    add("status", commands.show_status, "show the components; exit code 1 when not all are up")
    logs = add("logs", commands.show_logs, "print a component's log (without a name: list the logs)")
    logs.add_argument("component", nargs="?", help="such as kube-apiserver, kubelet, audit")
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing")
    builder = _command(
        subparsers, "build", commands.build_only, "only build the programs of our own cluster into the cache"
    )
    builder.add_argument("--simulated", action="store_true", help="those of a simulated cluster")
    builder.add_argument("--monitoring", action="store_true", help="those of the monitoring, too")
    _add_version(builder)
    loader = _command(
        subparsers, "images", commands.load_images, "build and load the test images, and archives you name"
    )
    loader.add_argument("archive", nargs="*", type=Path, help="docker-archive or OCI tar to load as well")
    add("kubeconfig", commands.print_kubeconfig, "print the path of the cluster's kubeconfig")
    add("env", commands.print_env, "print shell lines that set KUBECONFIG and PATH, for eval")
    return top


def _command(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    command = subparsers.add_parser(name, help=text, description=text)
    command.set_defaults(run=function)
    command.add_argument("--name", default="prunella", help="name of the cluster (default: %(default)s)")
    command.add_argument("--context", help="use this context of your own kubeconfig instead of making a cluster")
    return command


def _add_start_options(start: argparse.ArgumentParser) -> None:
    start.add_argument("--simulated", action="store_true", help="fake nodes and pods (kwok) under a real control plane")
    start.add_argument("--nodes", type=int, default=10, help="how many fake nodes (default: %(default)s)")
    start.add_argument(
        "--audit",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="record every write in <state folder>/audit.log (our own cluster; default: on)",
    )
    start.add_argument(
        "--monitoring",
        action="store_true",
        help="with Prometheus, Alertmanager and metrics-server (our own cluster; about 6 minutes more the first time)",
    )
    _add_version(start)
    start.add_argument("--alerts-to", metavar="URL", help="webhook for all alerts; means --monitoring")
    start.add_argument("--alerts-token", metavar="FILE", type=Path, help="file with the webhook's bearer token")


def _add_version(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--kubernetes",
        metavar="VERSION",
        default="",
        help="minor version, such as 1.36 (our own cluster; built the first time)",
    )
