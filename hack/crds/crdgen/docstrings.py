"""Descriptions of fields: the docstring below each attribute of a model, read from its source."""

import ast
import inspect
import textwrap
from functools import cache

from prunella_workflows.model.base import Value


class UndescribedFieldError(Exception):
    """A field has no docstring."""


def describe_field(model: type[Value], name: str) -> str:
    """The docstring of a field, looked up in the class that declares it.

    Raises:
        UndescribedFieldError: neither the model nor a base of it describes the field.
    """
    for declared in model.__mro__:
        if issubclass(declared, Value) and name in (found := _attribute_docstrings(declared)):
            return found[name]
    raise UndescribedFieldError(f"{model.__module__}.{model.__name__}.{name} has no docstring for kubectl explain")


def describe_model(model: type[Value]) -> str:
    """The first paragraph of a model's docstring."""
    return _flatten(inspect.getdoc(model) or "").split("\n\n")[0]


@cache
def _attribute_docstrings(model: type[Value]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    pairs = zip(definition.body, definition.body[1:], strict=False)
    return {
        field.target.id: _flatten(text)
        for field, below in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(text := below.value.value, str)
    }


def _flatten(text: str) -> str:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
