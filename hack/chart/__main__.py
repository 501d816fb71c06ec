"""`python hack/chart`: write the chart's templates from the manifests; `--check` only says which are out of date.

With `--dist FOLDER` write the packaged chart and one installation file for each overlay instead.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "cluster"))

from chartgen.dist import write
from chartgen.generate import files


def main() -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python hack/chart", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file is out of date")
    parser.add_argument("--dist", type=Path, metavar="FOLDER", help="write what a release offers for download")
    parser.add_argument("--image", default="prunella.local/prunella", help="name of the image in it, without a tag")
    options = parser.parse_args()
    return _write_dist(options.dist, options.image) if options.dist else _write_templates(check=options.check)


def _write_dist(folder: Path, image: str) -> int:
    for path in write(folder, image):
        print(path)
    return 0


def _write_templates(*, check: bool) -> int:
    stale = [(path, text) for path, text in files() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        if not check:
            path.write_text(text)
        print(f"{path.name}: {'out of date; run make chart' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
