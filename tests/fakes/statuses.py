"""Statuses of pods with one container, as a kubelet writes them."""

from typing import Any

from fakes.pods import ended, waiting

from prunella_operator import clock


def status_of(container: dict[str, Any], *, ready: bool, since: str = "") -> dict[str, Any]:
    """The status of a pod with one container, which is ready or not since then (now)."""
    since = since or stamp()
    unready = {} if ready else {"reason": "ContainersNotReady"}
    states = {"Ready": ready, "ContainersReady": ready, "Initialized": True, "PodScheduled": True}
    conditions = [
        {"type": kind, "status": str(state), "lastTransitionTime": since, **({} if state else unready)}
        for kind, state in states.items()
    ]
    whole = {"name": "app", "image": "shop", "imageID": "", "ready": ready, "restartCount": 0, **container}
    return {"containerStatuses": [whole], "conditions": conditions}


def crash_loop(reason: str, code: int, message: str = "") -> dict[str, Any]:
    """The status of a pod whose container has just crashed again."""
    last = ended(reason, code, stamp())
    last["terminated"]["message"] = message
    states = {"state": waiting("CrashLoopBackOff", "back-off 20s restarting failed container"), "lastState": last}
    return status_of({"restartCount": 3, **states}, ready=False)


def stamp() -> str:
    """The time of now, as the API server writes it."""
    return clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
