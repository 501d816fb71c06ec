"""Entry point of `python hack/orders`: the folder is a script; its code is in the packages next to this file."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [
    str(ROOT / name) for name in ("hack/cluster", "hack/demo", "hack/image", "hack/telemetry", "examples/orders")
]

from orderhealing.cli import main  # noqa: E402 - its packages are in the folders above

if __name__ == "__main__":
    raise SystemExit(main())
