"""krew's manifest of the plugin."""

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path

import yaml

from krewplugin.archive import PROGRAM, PYTHONS, ROOT, version

_HEAD = "# For krew. The addresses (uri) hold from the first release on.\n"
_DESCRIPTION = """\
Lists, shows and follows the incidents of Prunella, the self-healing operator, and answers them:
approve, reject, acknowledge, suspend, resume, cancel. It has the rights of your kubeconfig.
"""
_CAVEATS = f"Needs Python {PYTHONS[0]} to {PYTHONS[-1]} as python3; on Linux, glibc 2.28 or newer.\n"


def write(folder: Path, archives: Mapping[str, Path]) -> Path:
    """Write the manifest for the archives, by platform, and return its path."""
    urls = tomllib.loads((ROOT / "client/pyproject.toml").read_text())["project"]["urls"]
    spec = {
        "version": f"v{version()}",
        "homepage": urls["Homepage"],
        "shortDescription": "Read and answer incidents of Prunella",
        "description": _DESCRIPTION,
        "caveats": _CAVEATS,
        "platforms": [_describe(platform, path, urls["Source"]) for platform, path in archives.items()],
    }
    body = {"apiVersion": "krew.googlecontainertools.github.com/v1alpha2", "kind": "Plugin"}
    path = folder / "prunella.yaml"  # krew wants the plugin's name
    path.write_text(_HEAD + yaml.safe_dump({**body, "metadata": {"name": "prunella"}, "spec": spec}, sort_keys=False))
    return path


def _describe(platform: str, path: Path, source: str) -> dict[str, object]:
    system, _, architecture = platform.partition("-")
    return {
        "selector": {"matchLabels": {"os": system, "arch": architecture}},
        "uri": f"{source}/releases/download/v{version()}/{path.name}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bin": PROGRAM,
    }
