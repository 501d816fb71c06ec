"""The archive of one platform: the program, the licence, and the pinned packages. Same packages, same bytes.

Extensions are named after the Python that loads them, so those of all versions lie side by side in one folder.
"""

import gzip
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "kubectl-prunella"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "linux-amd64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "linux-arm64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "darwin-arm64": ("macosx_11_0_arm64",),
}
"""Platforms as krew names them, and the tags of the wheels that run there."""
LAUNCHER = """#!/usr/bin/env -S python3 -IS
import os
import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 14):
    sys.exit("error: kubectl prunella needs Python 3.11 to 3.14; python3 is " + sys.version.split()[0])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))

from prunella_operator.cli.client import main

main()
"""
_OF_ONE_WHEEL = re.compile(r"/$|\.dist-info/(RECORD|WHEEL|sboms/)")  # they differ between the wheels of one package


def version() -> str:
    """Prunella's version."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def write(folder: Path, platform: str) -> Path:
    """Write the archive of a platform and return its path. The packages come from PyPI.

    Raises:
        subprocess.CalledProcessError: a package cannot be had, or is not the pinned one.
    """
    with tempfile.TemporaryDirectory() as work:
        wheels = Path(work)
        for python in PYTHONS:
            _download(wheels, platform, python)
        _run("hatchling", "build", "-t", "wheel", "-d", work, cwd=ROOT / "client")
        content = {f"lib/{name}": data for name, data in unpack(sorted(wheels.glob("*.whl"))).items()}
    own = {name: (ROOT / name).read_bytes() for name in ("LICENSE", "NOTICE")}
    path = folder / f"{PROGRAM}-{version()}-{platform}.tar.gz"
    path.write_bytes(_pack({PROGRAM: LAUNCHER.encode(), **own, **content}))
    return path


def unpack(wheels: list[Path]) -> dict[str, bytes]:
    """The files of all wheels together.

    Raises:
        ValueError: two wheels have the same file with different contents.
    """
    found: dict[str, bytes] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as content:
            for name in (one for one in content.namelist() if not _OF_ONE_WHEEL.search(one)):
                data = content.read(name)
                if found.setdefault(name, data) != data:
                    raise ValueError(f"{wheel.name} has another {name}")
    return found


def _download(folder: Path, platform: str, python: str) -> None:
    tags = [f"--platform={tag}" for tag in PLATFORMS[platform]]
    pins = ("--require-hashes", "--no-deps", "--only-binary=:all:", f"--requirement={ROOT}/requirements-client.lock")
    target = ("--implementation=cp", f"--python-version={python}", f"--dest={folder}")
    _run("pip", "--disable-pip-version-check", "download", "--quiet", *pins, *target, *tags)


def _run(module: str, *arguments: str, cwd: Path = ROOT) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, capture_output=True, text=True, cwd=cwd)


def _pack(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o755 if name == PROGRAM else 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return gzip.compress(buffer.getvalue(), 6, mtime=0)
