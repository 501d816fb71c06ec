"""`python hack/crds`: write crds and schemas from the models; `--check` only says which files are out of date."""

import argparse
import sys

from crdgen.generate import files


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(prog="python hack/crds", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file is out of date")
    check = parser.parse_args().check
    stale = [(path, text) for path, text in files() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        if not check:
            path.write_text(text)
        print(f"{path.name}: {'out of date; run make crds' if check else 'written'}")
    return 1 if check and stale else 0


sys.exit(main())
