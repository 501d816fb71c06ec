"""The part of a policy that says when a repair counts.

The docstring below a field is its description in the CRD (`make crds`).
"""

from pydantic import field_validator

from prunella_workflows.model import promql
from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration


class Check(Value):
    """A PromQL check that must pass before a repair counts: `query` compared with `threshold` by `operator`."""

    name: str
    """Name of the check, for people."""
    query: str
    """PromQL query that returns one number. $namespace, $workload and $kind stand for the workload, $pods for a
    regex of its pods' names; use them inside the quotes of a label value."""
    operator: str = "<="
    """Comparison of the value with the threshold."""
    threshold: float
    """Threshold, in the query's unit."""


class Verification(Value):
    """Verification of a repair: no standstill for `timeout`, then healthy for `window`, and all checks passed."""

    window: Duration | None = None
    """Time the workload must stay healthy after the repair, as a duration from 1s to 1h."""
    timeout: Duration | None = None
    """Maximum time in which the rollout of a repair makes no progress, as a duration from 10s to 6h."""
    checks: tuple[Check, ...] | None = None
    """Prometheus checks that must all pass before a repair counts as healed. A check without data does not pass."""

    @field_validator("checks")
    @classmethod
    def _reject_unknown_placeholders(cls, checks: tuple[Check, ...] | None) -> tuple[Check, ...] | None:
        """Validate policies only: every later release must be able to read what workflows have recorded.

        Raises:
            ValueError: a query has a placeholder that is unknown or stands where it cannot be escaped.
        """
        for number, check in enumerate(checks or ()):
            try:
                promql.check(check.query)
            except ValueError as error:
                raise ValueError(f"[{number}].query of {check.name}: {error}") from None
        return checks
