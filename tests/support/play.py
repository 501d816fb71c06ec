"""Plays cases: each on its own from the healthy workload to the end of its incident, a few at any time.

All at once would only show how slow a kubelet gets on two cores: its events come late and its probes fail.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.api import path_of, until
from support.prunella import PrunellaProcess
from support.stage import STAGED, Scene

_AT_ONCE = 14
_GOOD_WITHIN = 240.0
_CROWD = {
    "apiVersion": "prunella.dev/v1alpha1",
    "kind": "ClusterHealingPolicy",
    "metadata": {"name": "prunella-tests"},
    "spec": {
        "namespaceSelector": {"matchLabels": STAGED},
        "budgets": {"concurrentPerCluster": 1000, "perHourPerCluster": 1000},
    },
}
"""So much breaks in the same minutes, which is what the budgets of a cluster are there to stop."""


class Stage:
    """Plays cases, and keeps what became of each."""

    def __init__(self, scenes: Iterable[Scene], prunella: PrunellaProcess, say: Callable[[str], None]) -> None:
        self._prunella = prunella
        self.scenes = {scene.case.name: scene for scene in scenes}
        self._say = say
        self._began = time.monotonic()
        self._left = len(self.scenes)

    def play(self) -> None:
        """Play every case to its end. What fails is kept with its scene, for the tests of that scene to raise."""
        scenes = sorted(self.scenes.values(), key=_longest_first)
        scenes[0].api.apply(_CROWD)
        self._tell(f"{len(scenes)} cases, {_AT_ONCE} at a time")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._perform, scenes))
        self._tell("all are over")

    def _perform(self, scene: Scene) -> None:
        try:
            perform(scene)
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - told by the first test of the scene
            error.add_note(self._prunella.tail())
            scene.error = error
        self._left -= 1
        self._tell(f"{scene.case.name} {'could not be played' if scene.error else 'is over'}, {self._left} to go")

    def clear(self) -> None:
        """Delete the namespaces; their going is not waited for."""
        for scene in self.scenes.values():
            scene.api.delete(path_of(_CROWD))
            scene.api.delete(f"/api/v1/namespaces/{scene.namespace}")

    def _tell(self, what: str) -> None:
        self._say(f"e2e: {what} ({time.monotonic() - self._began:.0f} s)")


def perform(scene: Scene) -> None:
    """Make it healthy, wait until Prunella knows it, break it, let people do what they do, wait for the end."""
    case = scene.case
    scene.prepare()
    if case.before:
        until(scene.is_good, _GOOD_WITHIN, "Prunella knows the healthy template", every=1.0)
    scene.break_it()
    if case.then:
        case.then(scene)
    if case.phase:
        scene.closed()


def _longest_first(scene: Scene) -> tuple[bool, bool, int]:
    return (not scene.case.slow, scene.case.then is None, -scene.case.writes)
