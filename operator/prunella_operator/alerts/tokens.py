"""Bearer tokens from a file, such as a mounted Secret: one a line, several while they are being exchanged."""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

SHORTEST = 16
"""Characters; a shorter token can be guessed."""


class NoTokens(Exception):
    """The file cannot be read or holds no token; the message is for the log and for /readyz."""


@dataclass(slots=True)
class TokenFile:
    """The tokens of a file, read again whenever it changes. Only their digests are kept."""

    path: Path
    _seen: tuple[int, int, int] = (0, 0, 0)
    _digests: tuple[bytes, ...] = field(default=(), repr=False)

    def accepts(self, authorization: str) -> bool:
        """Whether an Authorization header bears one of the tokens; it takes as long whichever it is.

        Raises:
            NoTokens: there is nothing to compare with.
        """
        self._read()
        scheme, _, token = authorization.partition(" ")
        digest = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        matches = [hmac.compare_digest(digest, one) for one in self._digests]
        return scheme.lower() == "bearer" and any(matches)

    def problem(self) -> str:
        """What is wrong with the file; "" when nothing is."""
        try:
            self._read()
        except NoTokens as error:
            return str(error)
        return ""

    def _read(self) -> None:
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return
            tokens = [line.strip() for line in self.path.read_text().splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            self._seen, self._digests = (0, 0, 0), ()
            said = getattr(error, "strerror", None) or "it is no text"
            raise NoTokens(f"the webhook's token file {self.path} cannot be read: {said}") from None
        if not tokens or min(map(len, tokens)) < SHORTEST:
            self._seen, self._digests = (0, 0, 0), ()
            raise NoTokens(f"the webhook's token file {self.path} must hold tokens of at least {SHORTEST} characters")
        self._seen, self._digests = seen, tuple(sha256(token.encode()).digest() for token in tokens)
