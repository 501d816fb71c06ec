"""Entry point of `python hack/telemetry`: the folder is a script; its code is in the packages next to this file."""

import sys
from pathlib import Path

HACK = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(HACK / "cluster"), str(HACK / "demo")]

from telemetrydemo.cli import main  # noqa: E402 - its packages are in the folders above

if __name__ == "__main__":
    raise SystemExit(main())
