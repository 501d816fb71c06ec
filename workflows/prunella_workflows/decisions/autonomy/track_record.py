"""The track record of a workload: trials are counted once, and a repair that did not last becomes a failure."""

from collections.abc import Iterable

from prunella_workflows.model.autonomy import MAX_TRIALS, ActionRecord, TrackRecord, Trial
from prunella_workflows.model.workload import WorkloadRef

MAX_LATEST = 40
"""Trials of an action that are kept one by one; all are counted."""


def of_workload(record: TrackRecord, ref: WorkloadRef) -> TrackRecord:
    """The record, if it is about this workload; an empty one if it is about a deleted workload of the same name."""
    if record.uid == ref.uid and ref.uid:
        return record
    return TrackRecord(uid=ref.uid, workload=f"{ref.namespace}/{ref}", problem=record.problem)


def add_trials(record: TrackRecord, trials: Iterable[Trial]) -> TrackRecord:
    """The record with these trials. One that it has changes nothing, unless it was a success and is a failure now."""
    actions = dict(record.actions)
    for trial in trials:
        actions[trial.action] = _add(actions.get(trial.action, ActionRecord()), trial)
    return record.model_copy(update={"actions": actions})


def add_missing(record: TrackRecord, failures: Iterable[Trial]) -> TrackRecord:
    """The record with failures of incidents that could not be written to it, each in its place."""
    actions = dict(record.actions)
    for trial in failures:
        actions[trial.action] = _add_missing(actions.get(trial.action, ActionRecord()), trial)
    return record.model_copy(update={"actions": actions})


def _add_missing(record: ActionRecord, trial: Trial) -> ActionRecord:
    """The record with this trial, unless it is older than those that are kept one by one: it may be counted."""
    latest = record.latest
    if any(one.id == trial.id for one in latest):
        return _add(record, trial)
    if len(latest) == MAX_LATEST and trial.at < latest[0].at:
        return record
    place = next((number for number in range(len(latest), 0, -1) if latest[number - 1].at <= trial.at), 0)
    placed = (*latest[:place], trial, *latest[place:])
    return ActionRecord(successes=record.successes, failures=_count(record.failures + 1), latest=placed[-MAX_LATEST:])


def _add(record: ActionRecord, trial: Trial) -> ActionRecord:
    known = next((one for one in record.latest if one.id == trial.id), None)
    if known is not None and (trial.succeeded or not known.succeeded):
        return record
    latest = (*(one for one in record.latest if one.id != trial.id), trial)
    return ActionRecord(
        successes=_count(record.successes + trial.succeeded - (known is not None)),
        failures=_count(record.failures + (not trial.succeeded)),
        latest=latest[-MAX_LATEST:],
    )


def _count(trials: int) -> int:
    return min(max(trials, 0), MAX_TRIALS)
