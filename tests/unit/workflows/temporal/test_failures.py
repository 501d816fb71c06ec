"""Errors at the edges of activities and workflows: what is worth another try, and how it is described."""

import asyncio

import pytest
from temporalio import exceptions
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, RetryState, TimeoutType

from prunella_workflows.model.errors import Conflict, NotFound, Unavailable
from prunella_workflows.temporal.failures import describe_error, is_permanent, translate_errors

REFUSED = ApplicationError("no", "detail", type="Refused", non_retryable=True)
DOWN = ApplicationError("no answer", type="Unavailable")
TIMED_OUT = exceptions.TimeoutError("too slow", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])


def of_an_activity(cause):
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="",
        activity_type="pay",
        activity_id="1",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(("error", "final"), [(NotFound("gone"), True), (Conflict("moved"), False)])
def test_our_errors_say_whether_another_try_is_worth_it(error, final):
    with pytest.raises(ApplicationError) as caught, translate_errors():
        raise error
    found = caught.value
    assert (found.type, found.message, found.non_retryable) == (error.reason, str(error), final)


def test_a_bug_leaves_as_it_is():
    with pytest.raises(ZeroDivisionError), translate_errors():
        _ = 1 / 0


def test_the_permanent_error_of_an_activity_becomes_that_of_its_workflow():
    with pytest.raises(ApplicationError) as caught, translate_errors():
        raise of_an_activity(REFUSED)
    found = caught.value
    assert (found.type, found.message, found.details, found.non_retryable) == ("Refused", "no", ("detail",), True)


@pytest.mark.parametrize(
    "cause", [DOWN, TIMED_OUT, CancelledError("cancelled")], ids=lambda cause: type(cause).__name__
)
def test_other_errors_of_an_activity_are_left_to_the_retry_policy(cause):
    error = of_an_activity(cause)
    with pytest.raises(ActivityError) as caught, translate_errors():
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "text", "permanent"),
    [
        (of_an_activity(REFUSED), "Refused: no", True),
        (of_an_activity(DOWN), "Unavailable: no answer", False),
        (of_an_activity(TIMED_OUT), "TimeoutError: too slow", False),
        (of_an_activity(CancelledError("cancelled")), "Cancelled", False),
        (REFUSED, "Refused: no", True),
        (NotFound("gone"), "NotFound: gone", True),
        (Unavailable("no answer"), "Unavailable: no answer", False),
        (asyncio.CancelledError(), "Cancelled", False),
    ],
)
def test_descriptions(error, text, permanent):
    assert (describe_error(error), is_permanent(error)) == (text, permanent)
