"""Exported incidents as arguments of a command: files, or folders of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import typer

from prunella_operator.json_text import InvalidFile

T = TypeVar("T")


def read_exported(paths: list[Path], parse: Callable[[str, str], T]) -> Iterator[tuple[Path, T]]:
    """Parse each file, which gets its text and its place. Wrong usage, with the place, for an InvalidFile."""
    files = [file for path in paths for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]
    if paths and not files:
        raise typer.BadParameter(f"no exported incident in {', '.join(map(str, paths))}")
    for file in files:
        try:
            yield file, parse(read_text(file), str(file))
        except InvalidFile as error:
            raise typer.BadParameter(str(error)) from error


def write_text(file: Path, text: str) -> None:
    """Write a file whole or not at all, with the folders it is in. Raises InvalidFile, which names it."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InvalidFile(f"{file}: {error.strerror}") from error


def read_text(file: Path) -> str:
    """The text of a file. Raises InvalidFile, which names it, if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{file}: {error}") from error
