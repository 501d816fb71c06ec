"""The API server's audit log: every write, with its author and time. Final objects do not show that."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_REFUSED = 300


@dataclass(frozen=True)
class Write:
    """One request that changes something, whether or not it was granted."""

    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    user: str
    agent: str
    uri: str
    at: str
    request: Any = field(repr=False, default=None)

    @property
    def made(self) -> bool:
        """Check that it was granted."""
        return self.code < _REFUSED

    @property
    def manager(self) -> str:
        """The field manager it was made under, if it named one."""
        _, _, query = self.uri.partition("?")
        return dict(part.split("=", 1) for part in query.split("&") if "=" in part).get("fieldManager", "")

    @property
    def of_a_user(self) -> bool:
        """Check that it is about a user's object: not our own kinds, not Events, not our snapshots."""
        group, _, plural = self.resource.partition("/")
        ours = plural == "controllerrevisions" and "-prunella-" in (self.name or str(self.request))
        return not ours and group != "prunella.dev" and plural != "events" and group != "authorization.k8s.io"


class AuditLog:
    """Reads from the start of the session, so that a kept cluster does not report earlier runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size
        self._inode = path.stat().st_ino
        self._kept: list[Write] = []
        self._reading = threading.Lock()
        self.users: set[str] = set()
        """Whose writes are kept; name them before they write."""

    def writes(self, user: str, namespace: str) -> list[Write]:
        """All writes of a user in a namespace, in order."""
        assert user in self.users, f"the audit log was not asked to keep {user}"
        self.read_on()
        return [write for write in self._kept if write.user == user and write.namespace == namespace]

    def read_on(self) -> None:
        """Read what is new. A log that grows by hundreds of megabytes is rotated away unless this is called often."""
        with self._reading:  # two threads that read on together would each skip what the other has read
            self._read_on()

    def lines(self, text: str) -> Iterator[bytes]:
        """The whole lines that contain a text, of all files of the log."""
        for path in (*sorted(self._path.parent.glob("audit-*.log")), self._path):
            with path.open("rb") as log:
                yield from (line for line in log if text.encode() in line and line.endswith(b"\n"))

    def _read_on(self) -> None:
        if self._path.stat().st_ino != self._inode:  # rotated: the rest of the old file comes first
            rotated = [path for path in self._path.parent.glob("audit-*.log") if path.stat().st_ino == self._inode]
            assert rotated, "the audit log was rotated away: it grew too fast for this test"
            self._read(rotated[0])
            self._offset, self._inode = 0, self._path.stat().st_ino
        self._read(self._path)

    def _read(self, path: Path) -> None:
        with path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # it is being written: next time
                self._offset += len(line)
                self._kept += self._parse(line)

    def _parse(self, line: bytes) -> Iterator[Write]:
        if not any(b'"username":"%s"' % user.encode() in line for user in self.users):
            return  # a user's name may also stand elsewhere, so the parsed one decides
        event = json.loads(line)
        if event["user"]["username"] not in self.users or event["stage"] != "ResponseComplete":
            return
        ref = event.get("objectRef") or {}
        resource = f"{ref.get('apiGroup', '')}/{ref.get('resource', '')}"
        yield Write(
            verb=event["verb"],
            resource=resource + (f"/{ref['subresource']}" if ref.get("subresource") else ""),
            namespace=ref.get("namespace", ""),
            name=ref.get("name", ""),
            code=(event.get("responseStatus") or {}).get("code", 0),
            user=event["user"]["username"],
            agent=event.get("userAgent", ""),
            uri=event["requestURI"],
            at=event["stageTimestamp"],
            request=event.get("requestObject"),
        )
