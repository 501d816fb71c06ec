"""Label selectors of policies, as in Kubernetes."""

from enum import StrEnum

from pydantic import Field

from prunella_workflows.model.base import Value


class SelectorOperator(StrEnum):
    """Relation of a label's value to the listed values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelExpression(Value):
    """A requirement on one label, as in Kubernetes."""

    key: str
    """Key of the label."""
    operator: SelectorOperator
    """In and NotIn compare the value with values; an object without the label meets NotIn. Exists and DoesNotExist ask
    for the label itself."""
    values: tuple[str, ...] = ()
    """Values for In and NotIn; none for Exists and DoesNotExist."""


class LabelSelector(Value):
    """Label selector, as in Kubernetes: all of its requirements must be met, and an empty one selects everything."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    """Labels that must all be present with these values."""
    match_expressions: tuple[LabelExpression, ...] = ()
    """Requirements on labels that must all be met, beside matchLabels."""
