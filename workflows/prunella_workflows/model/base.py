"""The base of all values: frozen, comparable, tolerant of unknown fields.

Payloads must survive rolling upgrades, so a field that a newer version added is ignored, never an error.
Field names are snake_case in Python, camelCase in Kubernetes objects (`to_object`) and in workflow payloads.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Value(BaseModel):
    """A frozen value with camelCase aliases."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    def to_object(self) -> dict[str, Any]:
        """Convert to the form of a Kubernetes object: camelCase, JSON types, without unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
