"""Build what is missing into the cache, one binary at a time, with a bar that knows how long each one takes."""

import fcntl
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import STDOUT, Popen
from tempfile import TemporaryFile

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from localcluster import sources
from localcluster.console import ClusterError, found, out, run, say
from localcluster.sources import Group, Kept, Program


def cache_folder() -> Path:
    """Outside the repository, so that a fresh clone builds nothing that was built before."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "prunella" / "cluster"


def binary(name: str, simulated: bool = False, minor: str = "") -> Path:
    """The path of a built program; a program of Kubernetes has one for each minor version."""
    return _target(*_find(name, simulated, minor))


def _find(name: str, simulated: bool = False, minor: str = "") -> tuple[Group, Program]:
    of_clusters = (
        *sources.wanted(simulated, minor=minor),
        *sources.wanted(not simulated, monitoring=True, minor=minor),
    )
    for group, program in (*of_clusters, *sources.alone()):
        if program.name == name:
            return group, program
    raise ClusterError(f"no program called {name} is part of the cluster")


def folder(group: Group) -> Path:
    """The folder with the programs of a group."""
    return cache_folder() / group.key()


def missing(simulated: bool, monitoring: bool = False, minor: str = "") -> list[tuple[Group, Program]]:
    """The work of a build."""
    return _unbuilt(sources.wanted(simulated, monitoring, minor))


def _unbuilt(programs: Sequence[tuple[Group, Program]]) -> list[tuple[Group, Program]]:
    return [(group, one) for group, one in programs if not _target(group, one).exists()]


def build(simulated: bool = False, monitoring: bool = False, minor: str = "") -> None:
    """Build what is missing. Safe to interrupt and to run twice at once; without missing programs there is no wait."""
    _build(sources.wanted(simulated, monitoring, minor))


def ensure(name: str) -> Path:
    """One program, built if it is missing, for those who need no cluster."""
    return ensure_program(*_find(name))


def ensure_program(group: Group, program: Program) -> Path:
    """The same for a program that is no part of the cluster."""
    _build([(group, program)])
    return _target(group, program)


def _build(programs: Sequence[tuple[Group, Program]]) -> None:
    if not _unbuilt(programs):
        return
    cache_folder().mkdir(parents=True, exist_ok=True)
    with one_builder_at_a_time():
        todo = _unbuilt(programs)
        if not todo:
            return
        if out.is_terminal:
            _build_with_bar(todo)
        else:
            _build_with_lines(todo)


@contextmanager
def one_builder_at_a_time() -> Iterator[None]:
    """Hold the cache's lock, after waiting for it."""
    with (cache_folder() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_with_bar(todo: list[tuple[Group, Program]]) -> None:
    columns = (
        TextColumn("building {task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]} of {task.fields[all]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    total = sum(one.seconds for _, one in todo)
    start, finished = time.monotonic(), 0.0
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=total, done=0, all=len(todo), left="")
        for count, (group, program) in enumerate(todo):
            bar.update(task, description=program.name, done=count)
            began = time.monotonic()
            for _ in _compile(group, program):
                # A program that takes longer than it did for us must not overtake its own share of the bar.
                completed = finished + min(time.monotonic() - began, program.seconds * 0.95)
                left = seconds_left(total, completed, time.monotonic() - start)
                bar.update(task, completed=completed, left=f"about {left // 60:.0f}:{left % 60:02.0f} left")
            finished += program.seconds
    say(f"built {len(todo)} programs into {cache_folder()}")


def seconds_left(total: float, completed: float, elapsed: float) -> float:
    """Our own measured times, scaled by how fast this machine proves to be; the first minute counts little."""
    speed = (elapsed + 60) / (completed + 60)
    return (total - completed) * speed


def _build_with_lines(todo: list[tuple[Group, Program]]) -> None:
    minutes = sum(one.seconds for _, one in todo) / 60
    say(f"building {len(todo)} programs, about {minutes:.0f} min when Go has nothing cached")
    for count, (group, program) in enumerate(todo, start=1):
        began = time.monotonic()
        deque(_compile(group, program), maxlen=0)
        say(f"built {program.name} ({count} of {len(todo)}, {time.monotonic() - began:.0f} s)")


def _compile(group: Group, program: Program) -> Iterator[None]:
    """Run `go build` into a temporary name and rename at the end: a binary under its real name is always whole.

    Yields a few times a second, so that the caller can show that time passes.
    """
    target = _target(group, program)
    target.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "CGO_ENABLED": str(int(group.cgo)),
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
    }
    command = _go_build(group, program, _temporary(target))
    with (
        TemporaryFile("w+") as words,
        _running(Popen(command, cwd=group.folder, env=environment, stdout=words, stderr=STDOUT)) as compiler,
    ):
        while compiler.poll() is None:
            yield
            time.sleep(0.2)
        if compiler.returncode:
            words.seek(0)
            raise ClusterError(f"building {program.name} failed:\n{words.read()[-3000:]}")
    if group.kept:
        _keep(group.kept, group.folder, target.parent)
    _temporary(target).replace(target)


def _go_build(group: Group, program: Program, output: Path) -> list[str]:
    """At low priority: people go on working meanwhile."""
    nice = ["nice", "-n", "10"] if found("nice") else []
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", group.ldflags()]
    command += ["-tags", group.tags] if group.tags else []
    return [*nice, *command, "-o", str(output), program.package]


@contextmanager
def _running(compiler: Popen[bytes]) -> Iterator[Popen[bytes]]:
    """An interrupted build leaves no compiler behind."""
    try:
        yield compiler
    finally:
        compiler.terminate()
        compiler.wait()


def _keep(kept: Kept, module: Path, folder: Path) -> None:
    """The files as one, beside the program."""
    where = run("go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", kept.module, cwd=module)
    files = [path for pattern in kept.files for path in sorted(Path(where.strip()).glob(pattern))]
    (folder / kept.name).write_text("\n---\n".join(file.read_text() for file in files))


def _target(group: Group, program: Program) -> Path:
    return folder(group) / program.name


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")
