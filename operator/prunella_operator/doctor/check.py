"""The result of one check of `prunella doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """The result: `message` is the finding, `fix` the action to take if it did not pass."""

    name: str
    passed: bool
    message: str
    fix: str = ""
