"""The cost of a process, from /proc: memory, CPU, and the time that it waited for a CPU that others had."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """A sample of a process; memory in MiB, times in seconds since its start."""

    rss: float
    peak: float
    cpu: float
    waited: float
    """The time that all its threads were ready to run but had no CPU: the machine's load, not the program's."""
    threads: int
    files: int
    """Open descriptors: files, sockets and the like."""


def usage(pid: int) -> Usage:
    """The usage so far. Raises FileNotFoundError when the process is gone."""
    folder = Path(f"/proc/{pid}")
    fields = (line.split() for line in (folder / "status").read_text().splitlines())
    status = {words[0]: words[1] for words in fields if len(words) > 1}
    if "VmRSS:" not in status:  # it has ended, and its parent has not noticed yet
        raise FileNotFoundError(f"{folder} is of a process that has ended")
    user, system = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
    return Usage(
        rss=int(status["VmRSS:"]) / 1024,
        peak=int(status["VmHWM:"]) / 1024,
        cpu=(int(user) + int(system)) / TICKS,
        waited=_waited(folder),
        threads=int(status["Threads:"]),
        files=len(list((folder / "fd").iterdir())),
    )


def _waited(folder: Path) -> float:
    """The second number of schedstat, in nanoseconds; threads that ended are not counted."""
    return sum(int(path.read_text().split()[1]) for path in folder.glob("task/*/schedstat")) / 1e9


def load() -> float:
    """The machine's load of the last minute, including that of others."""
    return os.getloadavg()[0]


def percentile(values: list[float], share: float) -> float:
    """The percentile of values in any order; NaN when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
