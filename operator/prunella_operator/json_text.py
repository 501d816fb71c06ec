"""JSON of files that people name: one reader, whose errors name the place."""

import json
from typing import Any

from prunella_workflows.model.errors import Permanent


class InvalidFile(Permanent):
    """A file that a person named is not what it should be; the message names the place. It never leaves a command."""


def parse_json(text: str | bytes, place: str) -> Any:
    """The value of a JSON text that `place` names; bytes may have any encoding of Unicode.

    Raises:
        InvalidFile: it is truncated, no JSON, no text, or nested too deeply; the message names the place.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidFile(f"{place}: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{place}: byte {error.start}: this is no text") from error
    except RecursionError as error:
        raise InvalidFile(f"{place}: it is nested too deeply") from error
