"""The cases of the fault suite that any healer can be judged by, and a short set of them."""

from collections.abc import Iterable
from fnmatch import fnmatch

from support.cases.case import Case
from support.cases.table import CASES

ALL, SHORT = "all", "short"
_REFUSED: dict[str, tuple[str, ...]] = {
    "what people do in it waits for Prunella's incident": (
        *("suspended", "limit-overwritten", "deleted-mid-repair", "put-back-at-once", "put-back", "dependants"),
        *("dependency-escalated", "job-retried", "limit-put-back", "node-on-its-way", "slow-while-served"),
        *("slow-beyond-deadline", "migration-late", "one-had-no-node", "sidecar-crashes", "sidecar-is-well"),
        *("registry-away-for-two", "two-at-once", "next-pod-is-well", "next-pod-fails-too"),
        *("evicted-again-and-again", "alert-ends", "alert-and-release", "alert-and-oom"),
    ),
    "it waits until Prunella has recorded what is healthy": ("shared-secret", "second-good-release"),
    "it is about Prunella's own objects": (
        *("by-hand", "no-such-target", "nowhere", "forged-incident", "unreadable-policy"),
        *("unreadable-policy-of-another", "opted-out", "pods-ignored", "namespace-ignored", "false-alarm"),
        "said-to-be-oom",
    ),
    "a limit that Prunella sets itself decides it, in a policy or at admission": ("oom-at-max", "no-such-runtime"),
    "whether a repair is worth an interruption is a matter of opinion": ("hung-one-of-two", "recreate-interrupts"),
    "it ends by itself, and a healer can only make that quicker": ("woken",),
    "another controller scales it all the time": ("restless",),
}
_SHORT = (
    *("oom-killed", "oom-init", "bad-release", "two-bad-releases", "recreated", "image-pull", "config-error"),
    *("rollout-stuck", "init-crash", "wrong-liveness", "stateful-release", "daemon-release"),
    *("first-release", "secret-deleted", "dependency-down", "bad-data", "quota-spent", "paused", "gitops"),
    *("good-release", "scaled-to-zero"),
)


class UnknownCase(Exception):
    """A name that is no case, or one that only Prunella can play; the text says which."""


def why_not(case: Case) -> str:
    """The reason why a case cannot judge any healer; "" if it can."""
    if case.policy != {}:
        return "it is about a policy of Prunella"
    return next((reason for reason, names in _REFUSED.items() if case.name in names), "")


def suitable() -> dict[str, Case]:
    """The cases that can judge any healer."""
    return {name: case for name, case in CASES.items() if not why_not(case)}


def chosen(wanted: str) -> list[Case]:
    """The cases of `all`, `short`, or of names and patterns separated by commas.

    Raises:
        UnknownCase: a name or pattern selects nothing.
    """
    possible = suitable()
    if wanted == ALL:
        return list(possible.values())
    patterns = _SHORT if wanted == SHORT else tuple(filter(None, wanted.split(",")))
    for pattern in patterns:
        _assert_known(pattern, possible)
    return [case for name, case in possible.items() if any(fnmatch(name, pattern) for pattern in patterns)]


def _assert_known(pattern: str, possible: Iterable[str]) -> None:
    if any(fnmatch(name, pattern) for name in possible):
        return
    reason = why_not(CASES[pattern]) if pattern in CASES else "there is no such case"
    raise UnknownCase(f"{pattern}: {reason}")
