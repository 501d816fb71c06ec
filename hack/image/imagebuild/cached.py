"""An image that is built once for its sources, and kept in a cache."""

import fcntl
import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from imagebuild import packages
from imagebuild.packages import ROOT

SOURCES = (
    "crds", "hack/image", "operator", "pyproject.toml", "requirements-image.lock", "requirements.lock", "workflows",
)  # fmt: skip
"""The sources of Prunella's image."""

_BUILT_WITHIN = 15 * 60  # seconds; it downloads all packages


class NotBuiltError(Exception):
    """The image cannot be built; the text says why."""


def hindrance() -> str:
    """Why the image cannot be built on this machine; "" when it can."""
    version = ".".join(map(str, packages.PYTHON))
    if (
        sys.version_info[:2] != packages.PYTHON
        or platform.freedesktop_os_release().get("VERSION_CODENAME") != "bookworm"
    ):
        return f"the image is built on Debian 12 with Python {version}"
    return ""


def archive(home: Path, sources: Sequence[str] = SOURCES, *options: str) -> Path:
    """The OCI archive that hack/image makes with these options, in a folder for it alone.

    Only that of the present sources is kept: each is as large as all its packages.

    Raises:
        NotBuiltError: the build failed.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = home / _key(sources) / "image.tar"
        if not target.exists():
            _build(target, options)
        for path in home.iterdir():
            if path.is_dir() and path != target.parent:
                shutil.rmtree(path)
    return target


def _key(sources: Sequence[str]) -> str:
    """A key that is the same for the same sources."""
    digest = hashlib.sha256()
    for path in sorted(_files(sources)):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _files(sources: Sequence[str]) -> Iterator[Path]:
    for name in sources:
        path = ROOT / name
        found = path.rglob("*") if path.is_dir() else [path]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _build(target: Path, options: Sequence[str]) -> None:
    line = [sys.executable, str(ROOT / "hack" / "image"), "--output", str(target), *options]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=_BUILT_WITHIN, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotBuiltError(f"the image is not built after {_BUILT_WITHIN // 60} minutes") from error
    if done.returncode:
        raise NotBuiltError(f"the image cannot be built: {done.stderr}{done.stdout}")
