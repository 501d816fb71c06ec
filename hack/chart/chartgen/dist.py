"""The downloads of a release: the packaged chart, and one file for each overlay."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from localcluster import build

from chartgen.generate import CHART, ROOT

LOCAL_IMAGE = "prunella.local/prunella"
_OVERLAYS = ROOT / "manifests" / "overlays"


def write(folder: Path, image: str) -> list[Path]:
    """Write the files, with `image` (without a tag) in place of the local one; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *(_install_file(overlay, folder, image) for overlay in sorted(_OVERLAYS.iterdir())),
        _package(folder, image),
    ]


def _install_file(overlay: Path, folder: Path, image: str) -> Path:
    path = folder / f"install-{overlay.name}.yaml"
    path.write_text(_run("kubectl", "kustomize", overlay).replace(LOCAL_IMAGE, image))
    return path


def _package(folder: Path, image: str) -> Path:
    with tempfile.TemporaryDirectory() as work:
        chart = Path(work) / "prunella"
        shutil.copytree(CHART, chart)
        for name in ("Chart.yaml", "values.yaml"):
            path = chart / name
            path.write_text(path.read_text().replace(LOCAL_IMAGE, image))
        said = _run("helm", "package", chart, "--destination", folder)
    return Path(said.strip().rpartition(" ")[2])


def _run(name: str, *arguments: str | Path) -> str:
    return subprocess.run([_find(name), *arguments], check=True, capture_output=True, text=True).stdout


def _find(name: str) -> Path:
    """The program that was built for the local cluster, or this machine's; without either it is built."""
    found = None if build.binary(name).exists() else shutil.which(name)
    return Path(found) if found else build.ensure(name)
