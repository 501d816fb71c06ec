"""The bill of materials of the image (CycloneDX)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One package in the image. `url` is its package URL (purl)."""

    name: str
    version: str
    url: str
    license: str = ""


def list_python_parts(folder: Path) -> list[Part]:
    """List the Python packages installed in a folder."""
    return sorted(map(_part, distributions(path=[str(folder)])), key=lambda distribution: distribution.name)


def _part(found: Distribution) -> Part:
    name = found.metadata["Name"]
    expression = str(found.metadata.json.get("license_expression", ""))
    return Part(name, found.version, f"pkg:pypi/{name.lower().replace('_', '-')}@{found.version}", expression)


def render_bill(version: str, parts: Iterable[Part]) -> str:
    """Render the bill of materials as JSON, the same bytes for the same parts."""
    subject = {"type": "container", "bom-ref": "image", "name": "prunella", "version": version}
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": subject},
        "components": [_component(part) for part in parts],
    }
    return json.dumps(body, indent=2) + "\n"


def _component(part: Part) -> dict[str, object]:
    body: dict[str, object] = {
        "type": "library",
        "bom-ref": part.url,
        "name": part.name,
        "version": part.version,
        "purl": part.url,
    }
    return body | ({"licenses": [{"expression": part.license}]} if part.license else {})
