"""Output for programs, in the formats of `kubectl -o`. What is no object of the cluster has a kind of its own."""

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeGuard

import typer
import yaml

from prunella_operator import clock
from prunella_operator.presentation.terminal import console, safe
from prunella_workflows.model.labels import GROUP, VERSION

API_VERSION = f"output.{GROUP}/{VERSION}"
Document = dict[str, Any]


class Format(StrEnum):
    """The formats of one object for programs."""

    JSON = "json"
    YAML = "yaml"


class ListFormat(StrEnum):
    """The formats of a list: for programs, and the table with more columns where it has more."""

    JSON = "json"
    YAML = "yaml"
    WIDE = "wide"
    NAME = "name"


_FLAGS = ("--output", "-o")
Output = Annotated[Format | None, typer.Option(*_FLAGS, help="For programs; default: text.")]
ListOutput = Annotated[
    ListFormat | None, typer.Option(*_FLAGS, help="For programs, or more columns; default: a table.")
]


_PROGRESS_SECONDS = 5.0


class Progress:
    """Progress on stderr, every few seconds; short work says nothing."""

    def __init__(self, things: str) -> None:
        self._things = things
        self._next = clock.monotonic() + _PROGRESS_SECONDS

    def __call__(self, done: int, total: int) -> None:
        """Note that so many of all are done."""
        if clock.monotonic() >= self._next:
            self._next = clock.monotonic() + _PROGRESS_SECONDS
            console(typer.get_text_stream("stderr")).print(f"{done} of {total} {self._things}", soft_wrap=True)


def quiet(_done: int, _total: int) -> None:
    """Say nothing."""


def document(kind: str, **fields: Any) -> Document:
    """A document of this kind, which is no object of the cluster."""
    return {"apiVersion": API_VERSION, "kind": kind, **fields}


def for_programs(output: ListFormat | None) -> TypeGuard[ListFormat]:
    """True unless people read the list."""
    return output not in {None, ListFormat.WIDE}


def print_document(value: Document, output: str) -> None:
    """Print it as JSON or YAML; times in ISO 8601."""
    text = json.dumps(value, default=datetime.isoformat)
    if output == Format.YAML:
        printed = yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True)
        console().print(safe(printed), soft_wrap=True, end="")
    else:
        console().print_json(text, indent=2)


def print_list(value: Document, names: Iterable[str], output: ListFormat) -> None:
    """Print a list with its items, or only their names."""
    if output is ListFormat.NAME:
        sys.stdout.writelines(f"{name}\n" for name in names)
    else:
        print_document(value, output)
