"""Code and documents are in plain English: no archaic words, and docstrings state what a thing is or does."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLACES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "docs", "manifests", "crds"]
PLACES += [
    str(path.relative_to(ROOT))
    for top in ("operator/prunella_operator", "workflows/prunella_workflows", "hack", "examples/orders", "tests")
    for path in sorted((ROOT / top).iterdir())
    if path.name != "__pycache__"
]
KINDS = {"", ".py", ".md", ".yaml", ".yml", ".toml", ".html", ".js", ".sh", ".go"}
ARCHAIC = re.compile(
    r"\b(nobody|somebody|anew|whoever|of\s+late|bears|mend(s|ed)?|for\s+ever|hand(s|ed)\s+over|looks\s+whether|is\s+told"
    r"|gives\s+back)\b"
    r'|^ *"""\s*(What|Who|Whether|Where|Which|How|When|Of|That)\b',
    re.IGNORECASE | re.MULTILINE,
)


def findings(place):
    for path in [place] if place.is_file() else sorted(place.rglob("*")):
        if path.is_file() and path.suffix in KINDS and path != Path(__file__):
            text = path.read_text()
            for found in ARCHAIC.finditer(text):
                line = text.count("\n", 0, found.start()) + 1
                yield f"{path.relative_to(ROOT)}:{line}: {' '.join(found[0].split())}"


@pytest.mark.parametrize("place", PLACES)
def test_plain_english(place):
    found = list(findings(ROOT / place))
    assert not found, "\n".join(found)
