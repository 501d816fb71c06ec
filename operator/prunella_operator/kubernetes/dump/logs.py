"""The logs of a dump: files of single containers, and those of `kubectl cluster-info dump`, one for each pod."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prunella_operator.json_text import InvalidFile

_ALL = "logs.txt"
_SUFFIX, _PREVIOUS = ".log", ".previous"
_BLOCK = (
    r"^==== START logs for container (?P<container>\S+) of pod {pod} ====\n(?P<text>.*?)"
    r"(?:^==== END logs for container (?P=container) of pod {pod} ====$|\Z)"
)
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
    """The logs in a file. The folders that it is in name the pod and its namespace.

    Raises:
        InvalidFile: it cannot be read; the message names the file.
    """
    *_, namespace, pod, name = path.absolute().parts
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise InvalidFile(f"{path}: {error}") from error
    if name == _ALL:
        yield from _split(text, namespace, pod)
    else:
        container = name.removesuffix(_SUFFIX)
        yield LogId(namespace, pod, container.removesuffix(_PREVIOUS), container.endswith(_PREVIOUS)), text


def _split(text: str, namespace: str, pod: str) -> Iterator[tuple[LogId, str]]:
    """The logs of all containers of a pod."""
    block = re.compile(_BLOCK.format(pod=re.escape(f"{namespace}/{pod}")), re.DOTALL | re.MULTILINE)
    for found in block.finditer(text):
        if not found["text"].startswith(_NO_LOG):
            yield LogId(namespace, pod, found["container"]), found["text"]
