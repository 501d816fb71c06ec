"""Bearer tokens from a file, such as a mounted Secret: one a line, several during a rotation."""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

MIN_LENGTH = 16  # characters; a shorter token can be guessed


class NoTokens(Exception):
    """The file cannot be read or contains no token; the message is for the log and for /readyz."""


@dataclass(slots=True)
class TokenFile:
    """The tokens of a file, reloaded when it changes. Only their digests are kept."""

    path: Path
    owner: str = "webhook"
    """The service that accepts them, for messages."""
    _seen: tuple[int, int, int] = (0, 0, 0)
    _digests: tuple[bytes, ...] = field(default=(), repr=False)

    def accepts(self, authorization: str) -> bool:
        """Check whether an Authorization header has one of the tokens, in constant time. Raises NoTokens."""
        self._reload()
        scheme, _, token = authorization.partition(" ")
        digest = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return scheme.lower() == "bearer" and any(matches)

    def problem(self) -> str:
        """Why the file cannot be used; "" when it can."""
        try:
            self._reload()
        except NoTokens as error:
            return str(error)
        return ""

    def _reload(self) -> None:
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return
            tokens = [line.strip() for line in self.path.read_text().splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            self._seen, self._digests = (0, 0, 0), ()
            reason = getattr(error, "strerror", None) or "it is not a text file"
            raise NoTokens(f"the {self.owner}'s token file {self.path} cannot be read: {reason}") from None
        if not tokens or min(map(len, tokens)) < MIN_LENGTH:
            self._seen, self._digests = (0, 0, 0), ()
            raise NoTokens(
                f"the {self.owner}'s token file {self.path} must hold tokens of at least {MIN_LENGTH} characters"
            )
        self._seen, self._digests = seen, tuple(sha256(token.encode()).digest() for token in tokens)
