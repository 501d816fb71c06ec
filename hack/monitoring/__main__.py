"""The dashboards: `python hack/monitoring` writes them to their manifests, and the rules once more.

`python hack/monitoring draw BOARD PROMETHEUS` prints one as a picture (SVG), with what that Prometheus has to say.
"""

import argparse
import json
import sys
import time

from boards.write import paths, write_all
from pictures.answers import Prometheus
from pictures.page import picture
from pictures.series import UnansweredError, Window


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python hack/monitoring", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    draw = commands.add_parser("draw", help="print one dashboard as a picture")
    draw.add_argument("board", choices=sorted(paths()))
    draw.add_argument("prometheus", help="its address: http://HOST:PORT")
    draw.add_argument("--database", default="", help="the URL of the telemetry database, for its dashboards")
    draw.add_argument("--minutes", type=int, default=15, help="how much time is shown (15)")
    draw.add_argument("--until", type=int, help="when it ends, in seconds since 1970 (now)")
    draw.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable of the dashboard")
    return parser.parse_args()


def _drawn(wanted: argparse.Namespace) -> str:
    until = wanted.until or int(time.time())  # noqa: TID251 - a person asks for what is now
    board = json.loads(paths()[wanted.board].read_text())
    chosen = dict(one.split("=", 1) for one in wanted.set)
    return picture(
        board, Prometheus(wanted.prometheus, wanted.database), Window(until - 60 * wanted.minutes, until), chosen
    )


def main() -> None:
    """Do what the command line says."""
    wanted = _arguments()
    if wanted.command != "draw":
        write_all()
        return
    try:
        sys.stdout.write(_drawn(wanted))
    except UnansweredError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
