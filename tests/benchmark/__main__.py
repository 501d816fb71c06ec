"""Entry point of `python tests/benchmark`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "tests"), str(ROOT / "hack" / "cluster")]

from benchmark.cli import main  # noqa: E402 - its packages are in the folders above

if __name__ == "__main__":
    raise SystemExit(main())
