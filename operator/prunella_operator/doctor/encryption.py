"""`prunella doctor`: whether what Temporal stores is encrypted, and can be."""

from pathlib import Path

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.check import Check
from prunella_operator.temporal.payload_codec import KeyFile, KeyFileError

_NAME = "Payload keys"
_READABLE_BY_ALL = 0o004


def check_payloads(settings: Settings) -> Check:
    """Whether the keys can be read. To have none is allowed, and said."""
    if settings.payload_key_file is None:
        return Check(_NAME, passed=True, what="payload_key_file is unset: Temporal stores plain text")
    path = Path(settings.payload_key_file)
    try:
        keys = list(KeyFile(path).keys())
    except KeyFileError as error:
        todo = "write keys into it, one a line: openssl rand -base64 32 > FILE"
        return Check(_NAME, passed=False, what=str(error), todo=todo)
    if path.stat().st_mode & _READABLE_BY_ALL:
        what = f"everybody on this machine can read {path}"
        return Check(_NAME, passed=False, what=what, todo=f"chmod o-r {path}; of a Secret: set defaultMode 0440")
    return Check(_NAME, passed=True, what=f"encrypts with {keys[0]}, decrypts with {len(keys)} key(s)")
