"""Play cases, several at once, and observe what becomes of their workloads."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmark.judging import Record, Sample, Verdict, changes, healable, judge, served_again
from benchmark.serving import served
from support.api import until
from support.audit import Write
from support.cases.case import Case, Stage

from prunella_operator import clock

AT_ONCE = 16
"""Cases mostly wait, but each adds load to the kubelet."""
HEALTHY_FOR = 60.0
"""Seconds for which a workload is healthy before it is broken, so that a healer can learn what is good."""
_HEALTHY_WITHIN = 240.0
_WITHIN, _SLOWLY_WITHIN = 240.0, 480.0
"""Seconds that a healer has after a fault; for as long it must not write where nothing is to be repaired."""


@dataclass(frozen=True)
class Outcome:
    """A case and its verdict, or why it could not be played, and what the healer changed in it all the same."""

    case: Case
    verdict: Verdict | None = None
    error: str = ""
    unjudged: tuple[Write, ...] = ()


def play_all(
    stages: Iterable[Stage], writes: Callable[[str], Iterable[Write]], log_progress: Callable[[str], None]
) -> list[Outcome]:
    """Play every case. `writes` returns the healer's requests in a namespace."""

    def play_one(stage: Stage) -> Outcome:
        outcome = _outcome(stage, writes)
        log_progress(f"{stage.case.name}: {outcome.verdict.end if outcome.verdict else outcome.error}")
        return outcome

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(play_one, sorted(stages, key=_longest_first)))


def _longest_first(stage: Stage) -> tuple[bool, bool]:
    return (not stage.case.slow, not healable(stage.case))


def _outcome(stage: Stage, writes: Callable[[str], Iterable[Write]]) -> Outcome:
    try:
        return Outcome(stage.case, judge(play(stage, writes)))
    except Exception as error:  # noqa: BLE001 - it is shown in the row of the case
        reason = str(error).partition("\n")[0] or type(error).__name__
        return Outcome(stage.case, error=f"not played: {reason}", unjudged=changes(writes(stage.namespace)))
    finally:
        stage.clear()


def play(stage: Stage, writes: Callable[[str], Iterable[Write]]) -> Record:
    """Make it healthy, break it, do what people do then, and observe it until its end or until its time is over."""
    case = stage.case
    stage.prepare()
    if case.before:
        _stay_healthy(stage)
    stage.break_it()
    assert stage.broken_at
    if case.then:
        case.then(stage)
    samples = tuple(_samples(stage)) if healable(case) else _left_alone(case)
    final = stage.api.find(stage.path)
    return Record(case, stage.broken, stage.broken_at, final, samples, tuple(writes(stage.namespace)))


def _stay_healthy(stage: Stage) -> None:
    until(lambda: served(stage.live()), _HEALTHY_WITHIN, "the workload is served", every=1.0)
    time.sleep(HEALTHY_FOR)
    assert served(stage.live()), "the workload did not stay healthy before its fault"


def _samples(stage: Stage) -> Iterator[Sample]:
    """One sample a second, until it is served again or its time is over; if it is served then, until that is clear."""
    end = time.monotonic() + _seconds(stage.case)
    samples: list[Sample] = []
    while not served_again(samples):
        workload = stage.api.find(stage.path)
        samples.append(Sample(clock.now(), workload is not None and served(workload)))
        yield samples[-1]
        if time.monotonic() > end and not _may_be_healed(samples):
            return
        time.sleep(1.0)


def _may_be_healed(samples: list[Sample]) -> bool:
    """Check that it is served now, and was not before."""
    return samples[-1].served and not all(sample.served for sample in samples)


def _left_alone(case: Case) -> tuple[Sample, ...]:
    time.sleep(_seconds(case))
    return ()


def _seconds(case: Case) -> float:
    return _SLOWLY_WITHIN if case.slow else _WITHIN
