"""Records of facts: JSON, redacted once more, compressed, and bounded in size."""

import json
import zlib
from base64 import b64decode, b64encode

from prunella_workflows.model.facts import Facts
from prunella_workflows.model.redaction import redact_texts

DEFAULT_BYTES = 1 << 16
_MAX_RATIO = 16
"""Facts shrink by this much at most: larger ones are not worth the time of compressing them."""
_MAX_UNPACKED = 1 << 26


def pack(facts: Facts, max_bytes: int = DEFAULT_BYTES) -> str:
    """The record of these facts, or "" if it would have more than `max_bytes`."""
    text = facts.model_dump_json(by_alias=True, exclude_defaults=True)
    if len(text) > max_bytes * _MAX_RATIO:
        return ""
    redacted = json.dumps(redact_texts(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
    record = b64encode(zlib.compress(redacted.encode())).decode()
    return record if len(record) <= max_bytes else ""


def unpack(record: str) -> Facts | None:
    """The facts of a record; None for "". Raises ValueError for what is no record."""
    if not record:
        return None
    try:
        inflator = zlib.decompressobj()
        return Facts.model_validate_json(inflator.decompress(b64decode(record, validate=True), _MAX_UNPACKED))
    except (ValueError, zlib.error) as error:
        raise ValueError(f"this is no record of facts: {error}") from error
