"""Watching activities: they check a workload again and again until there is news, with no thread while they wait.

The request of each check is the details of a heartbeat: after the death of a worker the next one continues with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, TypeVar

from temporalio import activity

from prunella_operator import clock
from prunella_operator.tasks import end
from prunella_workflows.contracts.healing import Confirmation, ConfirmRequest, HealingActivities, VerifyRequest
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.outcome import Judgement, Presence, Verdict
from prunella_workflows.temporal.failures import translate_errors

_HANDOVER_SECONDS = 1.0  # until another worker continues a watch of a worker that stops
_HEARTBEAT_SECONDS = 5.0
_VERIFY_INTERVAL_SECONDS = 2.0
_MAX_PAUSE_SECONDS = 10.0
_PAUSE_SHARE = 30
"""A pause is this part of the time watched, within bounds, so that hundreds of watches cause little load."""

_BLIND_SECONDS = 20.0
"""A longer gap between two checks than this means that the workload could not be observed."""

_MAX_BLIND_SECONDS = 3600.0
Q = TypeVar("Q", ConfirmRequest, VerifyRequest)
A = TypeVar("A")
T = TypeVar("T")


class Watches:
    """The activities `confirm` and `verify` as a worker runs them."""

    def __init__(self, activities: HealingActivities, pool: Executor) -> None:
        self._activities = activities
        self._pool = pool

    @activity.defn(name="confirm")
    async def confirm(self, request: ConfirmRequest) -> Confirmation:
        """See the contract."""
        with translate_errors():
            return await _watch(self._pool, self._activities.confirm, request, follow_confirmation)

    @activity.defn(name="verify")
    async def verify(self, request: VerifyRequest) -> Judgement:
        """See the contract."""
        with translate_errors():
            return await _watch(self._pool, self._activities.verify, request, follow_verification)


async def _watch(
    pool: Executor, check: Callable[[Q], A], request: Q, follow: Callable[[Q, A], tuple[Q, float] | None]
) -> A:
    """Check until `follow` has no next request and pause (seconds), or until the time of the request is over."""
    request = _resume(request)
    started = clock.monotonic()
    while True:
        checking = asyncio.get_running_loop().run_in_executor(pool, copy_context().run, check, request)
        answer = await _beating(checking, request)
        following, watched = follow(request, answer), clock.monotonic() - started
        if following is None or watched >= request.watch:
            return answer
        request, pause = following
        await _beating(asyncio.sleep(min(max(pause, watched / _PAUSE_SHARE), _MAX_PAUSE_SECONDS)), request)


def _resume(request: Q) -> Q:
    """The request that the last heartbeat of an earlier attempt left."""
    details = activity.info().heartbeat_details
    return type(request).model_validate(details[0]) if details else request


async def _beating(work: Awaitable[T], request: Q) -> T:
    """The result of the work, with heartbeats while it lasts. Raises Unavailable when the worker stops meanwhile."""
    future = asyncio.ensure_future(work)
    try:
        activity.heartbeat(request)
        while not (await asyncio.wait({future}, timeout=_HEARTBEAT_SECONDS))[0]:
            activity.heartbeat(request)
        return future.result()
    except asyncio.CancelledError:
        if activity.is_worker_shutdown():  # as a cancellation it would end the incident
            raise Unavailable("the worker stops; another one continues", again=_HANDOVER_SECONDS) from None
        raise
    finally:
        await end(future)


def follow_confirmation(request: ConfirmRequest, answer: Confirmation) -> tuple[ConfirmRequest, float] | None:
    """Continue while it is not known whether the fault persists, and no other deadline is."""
    sighting = answer.sighting
    if sighting.presence is not Presence.WATCHING or sighting.until != request.until:
        return None
    return request.model_copy(update={"calm_since": sighting.calm_since, "found": True}), sighting.again


def follow_verification(request: VerifyRequest, judgement: Judgement) -> tuple[VerifyRequest, float] | None:
    """Continue while there is no verdict and no other reason, and after a verdict that may come from a gap.

    A rollout may be late only because it was not observed: time in which nothing was seen does not count.
    """
    now = clock.now()
    gap = (now - request.checked_at).total_seconds() if request.checked_at is not None else 0.0
    following: dict[str, Any] = {"calm_since": judgement.calm_since, "checked_at": now}
    if _is_doubtful(judgement) and gap > _BLIND_SECONDS and request.blind < _MAX_BLIND_SECONDS:
        following["blind"] = request.blind + gap
    elif judgement.verdict is not None or judgement.reason not in request.known:
        return None
    return request.model_copy(update=following), _VERIFY_INTERVAL_SECONDS


def _is_doubtful(judgement: Judgement) -> bool:
    return judgement.verdict not in (None, Verdict.HEALED)
