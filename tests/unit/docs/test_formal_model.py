"""The page of the formal model maps each part of the model to code that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "formal-model.md").read_text()
MODEL = (ROOT / "tests" / "integration" / "model" / "incident.pml").read_text()
SOURCES = [path for top in ("operator", "workflows") for path in (ROOT / top).rglob("*.py")]
TABLE = PAGE.partition("## The model and the code")[2].partition("\n## ")[0]
ROWS = [row for line in TABLE.splitlines() if len(row := line.strip("| ").split(" | ")) == 3][1:]
PARTS = {name for part, _, _ in ROWS for name in re.findall(r"`(\w+)`", part)}
PLACES = sorted({place for _, _, code in ROWS for place in re.findall(r"`(\S+\.py: \w+)`", code)})
FILES = sorted({path for _, _, code in ROWS for path in re.findall(r"`(tests/\S+\.py)`", code)})


def test_every_part_of_the_model_is_on_the_page():
    assert set(re.findall(r"^(?:proctype|inline) (\w+)", MODEL, re.MULTILINE)) == PARTS


@pytest.mark.parametrize("place", PLACES)
def test_its_code_exists(place):
    path, name = place.split(": ")
    (found,) = [source for source in SOURCES if source.as_posix().endswith(f"/{path}")]
    assert re.search(rf"^ *(async )?def {name}\(|^{name}\b", found.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", FILES)
def test_its_tests_exist(path):
    assert (ROOT / path).is_file()
