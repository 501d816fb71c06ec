"""Doctor check of payload encryption in Temporal."""

from pathlib import Path

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.check import Check, check_not_world_readable
from prunella_operator.temporal.payload_codec import KeyFile, KeyFileError

_NAME = "Payload keys"


def check_payloads(settings: Settings) -> Check:
    """Check that the keys can be read. Running without keys is allowed, but reported."""
    if settings.payload_key_file is None:
        return Check(_NAME, passed=True, message="payload_key_file is not set: Temporal stores plain text")
    path = Path(settings.payload_key_file)
    try:
        keys = list(KeyFile(path).keys())
    except KeyFileError as error:
        fix = "write keys into it, one per line: openssl rand -base64 32 > FILE"
        return Check(_NAME, passed=False, message=str(error), fix=fix)
    good = Check(_NAME, passed=True, message=f"encrypts with {keys[0]}, decrypts with {len(keys)} key(s)")
    return check_not_world_readable(_NAME, path) or good
