"""`python hack/release TAG`: check that a tag names the version in pyproject.toml, and print that version's changes."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def notes(tag: str, root: Path = ROOT) -> str:
    """Return the part of the changelog that belongs to a tag.

    Raises:
        ValueError: the tag is not the version, or the changelog does not have it.
    """
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, but pyproject.toml says {version}")
    parts = re.split(r"^## ", (root / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    found = [part for part in parts if re.match(rf"\[?{re.escape(version)}(?![\w.])", part)]
    if not found:
        raise ValueError(f"CHANGELOG.md has no section for {version}")
    return found[0].partition("\n")[2].strip() + "\n"


def main() -> int:
    """Print the notes, or what is wrong."""
    try:
        print(notes(*sys.argv[1:]), end="")
    except (TypeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
