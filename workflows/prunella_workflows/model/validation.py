"""The errors of a value that does not fit its model, in words."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def field_of(error: ErrorDetails) -> str:
    """The path of the field, such as `plan.steps.0.action`."""
    return ".".join(map(str, error["loc"]))


def describe(error: ErrorDetails) -> str:
    """The field and the message; without a field, as for a value that is no object, the message alone."""
    message = error["msg"].removeprefix("Value error, ")
    return ": ".join(filter(None, (field_of(error), message)))


def first_error(error: ValidationError) -> str:
    """The first of the errors, as `field: message`."""
    return describe(error.errors()[0])
