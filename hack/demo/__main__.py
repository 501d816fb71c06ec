"""Entry point of `python hack/demo`: the folder is a script; its code is the package next to this file."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "cluster"))

from walkthrough.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
