"""The Python side of the image: the pinned packages and Prunella's own wheel, in /app."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
APP = "app"
PYTHON = (3, 11)
_BUILD_TOOLS = ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers", "editables")
_KEPT_PROGRAMS = frozenset({"temporal"})  # the development server, in the image of the overlay quickstart
_SCRIPT = """#!/usr/bin/python3.11
from {module} import {function}

{function}()
"""


def install_packages(tree: Path, lock: Path) -> None:
    """Install the packages of a lock file, each package checked by its hash and none built from source.

    Raises:
        RuntimeError: this Python is not the version of the image.
    """
    if sys.version_info[:2] != PYTHON:
        raise RuntimeError(f"the image has Python {PYTHON[0]}.{PYTHON[1]}, so build it with that version")
    _pip(
        "install",
        "--require-hashes",
        "--only-binary=:all:",
        "--no-compile",
        f"--target={tree / APP}",
        f"--requirement={lock}",
    )


def install_prunella(tree: Path, work: Path, more: Sequence[Path] = ()) -> None:
    """Build and install the wheels of Prunella and of further projects with pinned tools, and write their programs."""
    tools, pins = work / "tools", work / "tools.lock"
    pins.write_text(select_pins((ROOT / "requirements.lock").read_text(), _BUILD_TOOLS))
    _pip("install", "--require-hashes", f"--target={tools}", f"--requirement={pins}")
    for number, project in enumerate((ROOT, *more)):
        _install_wheel(tree, project, work / f"wheel-{number}", tools)
    programs = tree / APP / "bin"
    for path in programs.iterdir():
        if path.name not in _KEPT_PROGRAMS:
            path.unlink()
    for record in (tree / APP).glob("*.dist-info/RECORD"):  # it lists programs removed above, and the builder
        record.unlink()
    _write_program(programs / "prunella", "prunella_operator.cli.main:main")
    for project in more:
        for name, target in tomllib.loads((project / "pyproject.toml").read_text())["project"]["scripts"].items():
            _write_program(programs / name, target)


def _install_wheel(tree: Path, project: Path, folder: Path, tools: Path) -> None:
    _pip("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", str(project), PYTHONPATH=str(tools))
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:  # pure Python: its files are what an installation has
        content.extractall(tree / APP)


def _write_program(path: Path, target: str) -> None:
    module, _, function = target.partition(":")
    path.write_text(_SCRIPT.format(module=module, function=function))
    path.chmod(0o755)


def select_pins(lock: str, names: Collection[str]) -> str:
    """The lines of a lock file that pin these packages, with their hashes."""
    blocks = re.findall(r"^\S+==[^\n]*(?:\n    [^\n]*)*", lock, re.MULTILINE)
    return "\n".join(block for block in blocks if block.partition("==")[0] in names) + "\n"


def compile_bytecode(tree: Path) -> None:
    """Compile all byte code, as the container's root is read-only. By hash, so that timestamps do not matter."""
    folders = [tree / APP, tree / "usr/lib/python3.11"]
    options = ["-q", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", "/"]
    subprocess.run([sys.executable, "-m", "compileall", *options, *map(str, folders)], check=False)


def find_version(tree: Path) -> str:
    """Prunella's version in the tree."""
    (folder,) = (tree / APP).glob("prunella-*.dist-info")
    return folder.name.removesuffix(".dist-info").partition("-")[2]


def _pip(command: str, *options: str, **variables: str) -> None:
    line = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *options]
    subprocess.run(line, check=True, env={**os.environ, **variables})
