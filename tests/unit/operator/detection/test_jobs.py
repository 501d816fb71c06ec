"""Jobs that failed for good are reported, once each; tries that failed are not."""

from datetime import UTC, datetime

import msgspec
import pytest
from fakes.apiserver import FakeApi

from prunella_operator.detection.jobs import Job, JobSource

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
CRON_JOB = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "uid": "cj-1", "controller": True}


def a_condition(kind="Failed", at="2026-11-24T09:59:00Z", status="True"):
    words = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
    return {"type": kind, "status": status, "lastTransitionTime": at, **words}


def a_job(*conditions, **meta):
    identity = {"name": "report-1", "namespace": "shop", "uid": "j-1", "resourceVersion": "1"}
    return {"metadata": {**identity, **meta}, "status": {"conditions": list(conditions), "failed": 1}}


def film(*views):
    """The reports for each view; None stands for the Job's deletion."""
    reported, result = [], []
    source = JobSource(FakeApi().access, reported.append)
    for body in views:
        if body is None:
            source.on_delete("j-1", NOW)
        else:
            source.on_upsert(msgspec.convert(body, Job), NOW)
        result.append([signal.reason for signal in reported])
        reported.clear()
    return result


FAILED = a_job(a_condition("FailureTarget"), a_condition())
ONCE = ["BackoffLimitExceeded"]


@pytest.mark.parametrize(
    ("views", "reported"),
    [
        pytest.param([a_job()], [[]], id="at work, with a try that failed"),
        pytest.param([a_job(a_condition("FailureTarget"))], [[]], id="about to fail"),
        pytest.param([a_job(), FAILED, FAILED], [[], ONCE, []], id="it fails, and is reported once"),
        pytest.param([a_job(a_condition("Complete"))], [[]], id="it completed"),
        pytest.param([a_job(a_condition(status="False"))], [[]], id="it has not failed"),
        pytest.param([a_job(a_condition(), deletionTimestamp="2026-11-24T09:59:58Z")], [[]], id="it goes"),
        pytest.param([a_job(a_condition(at="2026-11-24T09:29:00Z"))], [[]], id="it failed long ago"),
        pytest.param([a_job(a_condition(at="2026-11-24T09:31:00Z"))], [ONCE], id="it failed during a gap of the watch"),
        pytest.param([a_job(a_condition(at=None))], [ONCE], id="it failed at an unknown time"),
        pytest.param([FAILED, None, FAILED], [ONCE, [], ONCE], id="it is gone, and seen again"),
    ],
)
def test_reports_of_a_job(views, reported):
    assert film(*views) == reported


def test_a_signal_says_all_that_is_known():
    reported = []
    source = JobSource(FakeApi().access, reported.append)
    body = a_job(a_condition(), ownerReferences=[CRON_JOB], labels={"prunella.dev/ignore": "true"})
    source.on_upsert(msgspec.convert(body, Job), NOW)
    (signal,) = reported
    assert (signal.source, signal.kind, signal.name, signal.uid) == ("jobs", "Job", "report-1", "j-1")
    assert (signal.owner.kind, signal.owner.name, signal.ignored) == ("CronJob", "report", True)
    assert signal.fault_at == datetime(2026, 11, 24, 9, 59, tzinfo=UTC)


def test_the_end_of_a_job_is_redacted():
    reported = []
    failed = {**a_condition(), "message": "token=hunter2"}
    JobSource(FakeApi().access, reported.append).on_upsert(msgspec.convert(a_job(failed), Job), NOW)
    assert reported[0].message == "token=***"


def test_a_handler_that_fails_is_given_the_job_again():
    reported = []

    def emit(signal):
        reported.append(signal)
        if len(reported) == 1:
            raise RuntimeError

    source = JobSource(FakeApi().access, emit)
    with pytest.raises(RuntimeError):
        source.on_upsert(msgspec.convert(FAILED, Job), NOW)
    source.on_upsert(msgspec.convert(FAILED, Job), NOW)
    assert len(reported) == 2
