"""The site of the documents: it is built, strictly, and every page has its place."""

from pathlib import Path

import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).parents[3]
LISTED = {"decisions", "results", "runbooks"}
"""Folders whose pages a page of the navigation lists."""


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without importing what it names."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _loader, suffix, _node: suffix)


def places(entries):
    for entry in entries:
        yield from [entry] if isinstance(entry, str) else places(next(iter(entry.values())))


def test_every_page_is_in_the_navigation():
    found = set(places(yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages - found if page.partition("/")[0] not in LISTED} == set()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_site_is_built_and_every_link_leads_somewhere(tmp_path):
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    start = (tmp_path / "index.html").read_text()
    assert 'href="policies.html"' in start
    assert "mermaid" in (tmp_path / "concepts.html").read_text()
    assert (tmp_path / "search" / "search_index.json").stat().st_size > 100_000
