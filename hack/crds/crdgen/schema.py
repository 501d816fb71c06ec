"""OpenAPI schemas of models: types, required fields, enums, defaults and descriptions.

The models tolerate what a newer release wrote; the API server checks what people write. So limits and CEL rules stand
in `definitions/*.yaml`, by the path of the field, and are merged into the schema here.
"""

import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from crdgen.docstrings import describe_field, describe_model
from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration, Memory

Schema = dict[str, Any]
_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    Duration: {"type": "string"},
    Memory: {"x-kubernetes-int-or-string": True},
}


class UnknownPathError(Exception):
    """A definition names a field that no model has."""


class SchemaBuilder:
    """Builds the schema of one `spec` or `status`; merges `validation` into it by path (`a.b`, `list[]`, `map{}`).

    `built_in` are the values of unset fields, by path, for the descriptions; with `defaults` the schema states them.
    """

    def __init__(
        self, validation: Mapping[str, Schema], built_in: Mapping[str, str] | None = None, *, defaults: bool = False
    ) -> None:
        self._validation = validation
        self._built_in = built_in or {}
        self._defaults = defaults
        self._used: set[str] = set()

    def build(self, model: type[Value], path: str) -> Schema:
        """The schema of a model.

        Raises:
            UnknownPathError: a definition is of no use.
            UndescribedFieldError: a field has no docstring.
        """
        schema = self._model(model, path)
        if unknown := {name for name in self._validation if name.startswith(path)} - self._used:
            raise UnknownPathError(f"no model has the fields {sorted(unknown)}")
        return schema

    def _model(self, model: type[Value], path: str) -> Schema:
        properties = {
            str(field.alias): self._field(model, name, field, f"{path}.{field.alias}")
            for name, field in model.model_fields.items()
        }
        required = [str(field.alias) for field in model.model_fields.values() if field.is_required()]
        return self._merge(
            {"type": "object", "description": describe_model(model)}
            | ({"required": required} if required else {})
            | {"properties": properties},
            path,
        )

    def _field(self, model: type[Value], name: str, field: FieldInfo, path: str) -> Schema:
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        schema = self._merge(self._type(annotation, path), path)
        if self._defaults and (default := _default(field)) is not None:
            schema["default"] = default
        text = schema.pop("description", "") if "description" in self._validation.get(path, {}) else ""
        facts = _facts(schema, self._built_in.get(path, ""))
        return schema | {"description": " ".join([text or describe_field(model, name), *facts])}

    def _type(self, annotation: Any, path: str) -> Schema:
        annotation = _without_none(annotation)
        if annotation in _SCALARS:
            return dict(_SCALARS[annotation])
        if get_origin(annotation) is tuple:
            below = self._item(get_args(annotation)[0], f"{path}[]")
            return {"type": "array", "x-kubernetes-list-type": "atomic", "items": below}
        if get_origin(annotation) is dict:
            return {"type": "object", "additionalProperties": self._item(get_args(annotation)[1], f"{path}{{}}")}
        if issubclass(annotation, Value):
            return self._model(annotation, path)
        assert issubclass(annotation, StrEnum), annotation
        return {"type": "string", "enum": [member.value for member in annotation]}

    def _item(self, annotation: Any, path: str) -> Schema:
        return self._merge(self._type(annotation, path), path)

    def _merge(self, schema: Schema, path: str) -> Schema:
        self._used.add(path)
        return schema | self._validation.get(path, {})


def _facts(schema: Schema, built_in: str) -> Iterator[str]:
    """The sentences of a description that follow from the schema; takes the example out of it."""
    if schema.get("type") == "integer" and "maximum" in schema:
        yield f"From {schema['minimum']} to {schema['maximum']}."
    if most := schema.get("maxItems") or schema.get("maxProperties"):
        yield f"At most {most}."
    if built_in:
        yield f"Built-in: {built_in}."
    if "default" in schema:
        default = schema["default"]
        yield f"Default: {str(default).lower() if isinstance(default, bool) else default}."
    if example := schema.pop("example", ""):
        yield f"Example: {example}"


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, types.UnionType}:
        (annotation,) = (argument for argument in get_args(annotation) if argument is not type(None))
    if get_origin(annotation) is Annotated and annotation not in _SCALARS:
        return get_args(annotation)[0]
    return annotation


def _default(field: FieldInfo) -> Any:
    """The default as a schema states it; an empty one is the same as none."""
    if field.is_required():
        return None
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Value) or default in ("", (), {}):
        return None
    return default.value if isinstance(default, StrEnum) else default
