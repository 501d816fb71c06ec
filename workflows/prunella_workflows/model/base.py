"""The base of all values. A field that a newer version added is ignored: payloads must survive rolling upgrades."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Value(BaseModel):
    """A frozen value; its fields are camelCase in Kubernetes objects and in workflow payloads."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    def to_object(self) -> dict[str, Any]:
        """Convert to the form of a Kubernetes object: camelCase, JSON types, without unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
