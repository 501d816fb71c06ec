"""`KnownObjects`: what a watch knows of each object, which is only enough to tell what is new and what vanished.

Decodes one object at a time and hands it on. Nothing it is fed can stop it: what cannot be read, and what the handler
cannot digest, is counted, logged once per kind and skipped. It does no I/O and keeps no objects.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic

from msgspec import Raw

from prunella_operator import clock
from prunella_operator.kubernetes.decoding import ObjectHead, Undecodable
from prunella_operator.kubernetes.watch.formats import Format
from prunella_operator.kubernetes.watch.resource import Handler, Identity, Resource, T, WatchStats

logger = logging.getLogger(__name__)

_MANY_KINDS = 100  # what is broken in more ways than this is not worth more lines


@dataclass(slots=True)
class KnownObjects(Generic[T]):
    """The uid and resourceVersion of every object that is there."""

    resource: Resource[T]
    handler: Handler[T]
    stats: WatchStats
    _known: dict[str, str] = field(default_factory=dict)
    _logged: set[str] = field(default_factory=set)

    def present(self, raw: Raw, written: Format) -> Identity:
        """The object is there: hand it on unless it is known as it is, and answer who it is."""
        try:
            obj = written.read(raw, self.resource.into, self.resource.kind)
        except Undecodable as error:
            self.skip("object", error)
            return self.identity(raw, written)
        identity = obj.metadata
        if self._known.get(identity.uid) != identity.resource_version:
            self._known[identity.uid] = identity.resource_version
            self.stats.objects = len(self._known)
            if not self._hand_over(lambda at: self.handler.seen(obj, at)):
                self._known[identity.uid] = ""  # the next list gives it again
        return identity

    def absent(self, uid: str) -> None:
        """The object is no longer there."""
        if self._known.pop(uid, None) is not None:
            self.stats.objects = len(self._known)
            self._hand_over(lambda at: self.handler.gone(uid, at))

    def only(self, uids: Iterable[str]) -> None:
        """No objects are there but these."""
        for uid in self._known.keys() - set(uids):
            self.absent(uid)

    def identity(self, raw: Raw, written: Format) -> Identity:
        """Who an object is, even if nothing else of it can be read."""
        try:
            return written.read(raw, ObjectHead, "Object").metadata
        except Undecodable as error:
            self.skip("identity", error)
            return ObjectHead().metadata

    def skip(self, what: str, error: Undecodable) -> None:
        """Something cannot be read: count it and go on."""
        self.stats.undecodable += 1
        if self._is_news(kind := f"{what}: {error}"):
            logger.warning("%s: skipped, said once: %s", self.resource.plural, kind)

    def _hand_over(self, call: Callable[[datetime], None]) -> bool:
        try:
            call(clock.now())
        except Exception as error:
            # One object that our own code cannot digest must not blind us to all others.
            self.stats.unhandled += 1
            if self._is_news(f"{type(error).__name__}: {error}"):
                logger.exception("%s: the handler failed, said once", self.resource.plural)
            return False
        return True

    def _is_news(self, kind: str) -> bool:
        if kind in self._logged or len(self._logged) >= _MANY_KINDS:
            return False
        self._logged.add(kind)
        return True
