"""The logs of a dump: files of single containers, and those of `kubectl cluster-info dump`, one for each pod."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from prunella_operator.json_text import InvalidFile

_ALL = "logs.txt"
_SUFFIX, _PREVIOUS = ".log", ".previous"
_START = re.compile(r"==== START logs for container (?P<container>\S+) of pod (?P<pod>\S+) ====")
_KEPT_LINES = 1000
"""Far more than a diagnosis reads of any log."""
_NO_LOG = ("Request log error: ", "Create log request error: ")
"""The words of kubectl in place of a log that it could not read."""


class LogId(NamedTuple):
    """One run of a container: the current one, or the one before."""

    namespace: str
    pod: str
    container: str
    previous: bool = False


def is_log(path: Path) -> bool:
    """True for a file that holds logs, by its name."""
    return path.name == _ALL or path.suffix == _SUFFIX


def read_logs(path: Path) -> Iterator[tuple[LogId, str]]:
    """The ends of the logs in a file, read line by line. The folders that it is in name the pod and its namespace.

    Raises:
        InvalidFile: it cannot be read; the message names the file.
    """
    *_, namespace, pod, name = path.absolute().parts
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            if name == _ALL:
                yield from _split(lines, namespace, pod)
            else:
                container = name.removesuffix(_SUFFIX)
                log = LogId(namespace, pod, container.removesuffix(_PREVIOUS), container.endswith(_PREVIOUS))
                yield log, "".join(deque(lines, _KEPT_LINES))
    except OSError as error:
        raise InvalidFile(f"{path}: {error}") from error


def _split(lines: Iterable[str], namespace: str, pod: str) -> Iterator[tuple[LogId, str]]:
    """The logs of all containers of a pod, each between two marks; the last one may have no end."""
    rest = iter(lines)
    for line in rest:
        if begun := _START.fullmatch(line.rstrip("\n")):
            container, owner = begun["container"], begun["pod"]
            if owner == f"{namespace}/{pod}":
                end = f"==== END logs for container {container} of pod {owner} ===="
                block = takewhile(lambda text, end=end: text.rstrip("\n") != end, rest)  # type: ignore[misc]
                yield from _log(LogId(namespace, pod, container), block)


def _log(log: LogId, block: Iterator[str]) -> Iterator[tuple[LogId, str]]:
    """One log, unless kubectl could not read it."""
    first = next(block, "")
    kept = deque((first,), _KEPT_LINES)
    kept.extend(block)
    if not first.startswith(_NO_LOG):
        yield log, "".join(kept)
