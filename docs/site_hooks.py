"""Hooks of mkdocs: the pages that stand outside of docs/ are part of the site, and so are the links to them.

What is no page of the site, such as a manifest, is named there without a link.
"""  # noqa: INP001 - loaded by its path

import os.path
import re
from collections.abc import Iterable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = {
    "index.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "samples.md": "manifests/samples/README.md",
    "cluster.md": "hack/cluster/README.md",
}

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of docs/."""
    for place, origin in OUTSIDE.items():
        files.append(File.generated(config, place, content=(ROOT / origin).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point every link and picture at where its target is in the site."""
    del config
    here = page.file.src_uri
    origin = ROOT / OUTSIDE[here] if here in OUTSIDE else DOCS / here
    places = _places(files)

    def moved(found: re.Match[str]) -> str:
        mark, text, path, anchor = found.groups()
        if re.match(r"[a-z]+:", path):
            return found[0]
        place = places.get((origin.parent / path).resolve())
        return text if place is None else f"{mark}[{text}]({os.path.relpath(place, Path(here).parent)}{anchor or ''})"

    return _LINK.sub(moved, markdown)


def _places(files: Iterable[File]) -> dict[Path, str]:
    """Map the origin of each file of the site to its place in it."""
    return {
        ROOT / OUTSIDE[file.src_uri] if file.src_uri in OUTSIDE else DOCS / file.src_uri: file.src_uri for file in files
    }
