"""Programs for Node, fetched once into the cache; npm checks each package's sha512 against package-lock.json."""

import hashlib
import os
import shutil
from pathlib import Path

from localcluster import build
from localcluster.console import ClusterError, run
from support.programs import missing


def installed(name: str, source: Path, *scripts: str) -> Path:
    """The folder with a program's packages and scripts. Where it cannot be had the test is skipped."""
    files = [source / file for file in ("package.json", "package-lock.json", *scripts)]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = build.cache_folder() / f"{name}-{digest}"
    if not folder.exists():
        if not (shutil.which("node") and shutil.which("npm")):
            missing(f"there is no {name}: it is fetched by npm and run by Node, and one of them is not installed")
        build.cache_folder().mkdir(parents=True, exist_ok=True)
        with build.one_builder_at_a_time():
            if not folder.exists():
                _fetch(name, files, folder)
    return folder


def _fetch(name: str, files: list[Path], folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    partial.mkdir()
    for file in files:
        shutil.copy(file, partial)
    try:
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=partial)
    except ClusterError as error:
        shutil.rmtree(partial)
        missing(f"there is no {name}: {error}")
    partial.rename(folder)
