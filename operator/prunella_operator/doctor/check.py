"""One answer of `prunella doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One answer: `what` was found, and what `todo` is when it is not good."""

    name: str
    passed: bool
    what: str
    todo: str = ""
