"""Parts that need optional packages, imported when they are used."""

from importlib import import_module
from typing import Any

from prunella_workflows.model.errors import InvalidInputError

_TELEMETRY = frozenset({"asyncpg", "confluent_kafka", "polars", "ptars", "pyarrow"})


def telemetry_wing(module: str) -> Any:
    """A module of the telemetry wing.

    Raises:
        InvalidInputError: the packages of its extra are not installed.
    """
    try:
        return import_module(f"prunella_operator.telemetry.{module}")
    except ModuleNotFoundError as error:
        if error.name in _TELEMETRY:
            text = f"this installation lacks {error.name}: pip install 'prunella[telemetry]'"
            raise InvalidInputError(text) from error
        raise
