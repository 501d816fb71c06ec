"""Shared parts of the sources: signals about an object, and the timer for faults that no further event announces."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from prunella_operator import clock
from prunella_operator.kubernetes.decoding import Metadata, OwnerReference
from prunella_workflows.model.signal import OwnerRef, Signal

MAX_MESSAGE_LENGTH = 300  # characters
_CHECK_INTERVAL_SECONDS = 1.0


def create_signal(kind: str, meta: Metadata, at: datetime, owner: OwnerReference | None = None, **fault: Any) -> Signal:
    """A Signal about this object. `fault` holds the fields that describe the fault."""
    return Signal(
        namespace=meta.namespace,
        kind=kind,
        name=meta.name,
        uid=meta.uid,
        owner=owner and OwnerRef(api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid),
        ignored=meta.ignored,
        observed_at=at,
        **fault,
    )


async def check_regularly(report_due: Callable[[datetime], None]) -> NoReturn:
    """Call the function every second until cancelled."""
    while True:
        report_due(clock.now())
        await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
