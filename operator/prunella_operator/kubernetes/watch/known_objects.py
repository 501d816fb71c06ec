"""`KnownObjects`: the identity of each object a watch knows, just enough to find changes and deletions after a gap.

No input can stop it: undecodable objects and failures of the handler are counted, logged once per kind and skipped.
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

_MAX_LOGGED_KINDS = 100  # of errors; more kinds than this are not worth more lines


@dataclass(slots=True)
class KnownObjects(Generic[T]):
    """The uid and resourceVersion of every existing object."""

    resource: Resource[T]
    handler: Handler[T]
    stats: WatchStats
    _versions: dict[str, str] = field(default_factory=dict)
    _logged: set[str] = field(default_factory=set)

    def upsert(self, raw: Raw, wire_format: Format) -> Identity:
        """Pass the object to the handler unless this version is known, and return its identity."""
        try:
            obj = wire_format.read(raw, self.resource.into, self.resource.kind)
        except Undecodable as error:
            self.skip("object", error)
            return self.identity(raw, wire_format)
        identity = obj.metadata
        if self._versions.get(identity.uid) != identity.resource_version:
            self._versions[identity.uid] = identity.resource_version
            self.stats.objects = len(self._versions)
            if not self._notify(lambda at: self.handler.on_upsert(obj, at)):
                self._versions[identity.uid] = ""  # so that the next list passes it again
        return identity

    def remove(self, uid: str) -> None:
        """Forget a deleted object."""
        if self._versions.pop(uid, None) is not None:
            self.stats.objects = len(self._versions)
            self._notify(lambda at: self.handler.on_delete(uid, at))

    def retain_only(self, uids: Iterable[str]) -> None:
        """Remove all objects but these."""
        for uid in self._versions.keys() - set(uids):
            self.remove(uid)

    def identity(self, raw: Raw, wire_format: Format) -> Identity:
        """The object's identity, even if nothing else of it can be decoded."""
        try:
            return wire_format.read(raw, ObjectHead, "Object").metadata
        except Undecodable as error:
            self.skip("identity", error)
            return ObjectHead().metadata

    def skip(self, what: str, error: Undecodable) -> None:
        """Count something undecodable, and log it once per kind."""
        self.stats.undecodable += 1
        if self._is_new(kind := f"{what}: {error}"):
            logger.warning("%s: skipped (logged once): %s", self.resource.plural, kind)

    def _notify(self, call: Callable[[datetime], None]) -> bool:
        try:
            call(clock.now())
        except Exception as error:
            # A bug triggered by one object must not stop the watch on all others.
            self.stats.unhandled += 1
            if self._is_new(f"{type(error).__name__}: {error}"):
                logger.exception("%s: the handler failed (logged once)", self.resource.plural)
            return False
        return True

    def _is_new(self, kind: str) -> bool:
        if kind in self._logged or len(self._logged) >= _MAX_LOGGED_KINDS:
            return False
        self._logged.add(kind)
        return True
