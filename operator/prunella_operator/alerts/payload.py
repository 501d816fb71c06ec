"""The payload of Alertmanager's webhook (version 4), parsed strictly: all of it is valid, or none of it is used.

Texts are truncated and secrets masked here, before anything is stored. An error names the field and never quotes a
value, because it is sent back over the network.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from prunella_workflows.model.alert import Alert, AlertStatus
from prunella_workflows.model.redaction import MASK, names_secret, redact

VERSION = "4"
_MAX_LABELS = 64
_MAX_NAME = 128  # characters, as the four below
_MAX_VALUE = 1024
_MAX_TEXT = 4096
_MAX_URL = 2048
_ELLIPSIS = "…"
_FINGERPRINT = re.compile(r"[0-9A-Za-z]{1,64}\Z")
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_UNSET = datetime.min.replace(tzinfo=UTC)  # Go's encoding of a time that is not set

Moment = Annotated[datetime, Meta(tz=True)]


class Malformed(Exception):
    """The body is not JSON."""


class Unprocessable(Exception):
    """The JSON is not a notification of Alertmanager; the message names the field."""


class _Alert(Struct, rename={"starts_at": "startsAt", "ends_at": "endsAt", "generator_url": "generatorURL"}):
    status: AlertStatus
    labels: dict[str, Any]
    starts_at: Moment
    fingerprint: str
    annotations: dict[str, Any] = {}
    ends_at: Moment | None = None
    generator_url: str = ""


class _Payload(Struct, rename={"truncated_alerts": "truncatedAlerts"}):
    version: str
    alerts: list[_Alert]
    truncated_alerts: int = 0


_DECODER = Decoder(_Payload)


def parse(body: bytes) -> tuple[tuple[Alert, ...], int]:
    """Parse a notification: its alerts, and the number of those left out. Raises Malformed or Unprocessable."""
    try:
        payload = _DECODER.decode(body)
    except ValidationError as error:
        raise Unprocessable(_translate(str(error))) from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if payload.version != VERSION:
        raise Unprocessable(f'version: expected "{VERSION}"')
    alerts = tuple(_alert(raw, f"alerts[{index}]") for index, raw in enumerate(payload.alerts))
    return alerts, payload.truncated_alerts


def _translate(message: str) -> str:
    """Turn `Expected `str`, got `int` - at `$.alerts[0].startsAt`` into `alerts[0].startsAt: expected str, got int`."""
    problem, _, field = message.replace("`", "").partition(" - at $")
    if problem.startswith("Invalid enum value"):
        problem = "expected firing or resolved"
    return f"{field.lstrip('.') or 'the body'}: {problem[:1].lower()}{problem[1:]}"


def _alert(raw: _Alert, where: str) -> Alert:
    if not _FINGERPRINT.match(raw.fingerprint):
        raise Unprocessable(f"{where}.fingerprint: expected 1 to 64 letters and digits")
    texts = _texts(raw.labels, f"{where}.labels")
    labels = {name: MASK if names_secret(name) else _truncate(value, _MAX_VALUE) for name, value in texts.items()}
    annotations = _texts(raw.annotations, f"{where}.annotations")
    end = _utc(raw.ends_at or _UNSET, f"{where}.endsAt")
    return Alert(
        fingerprint=raw.fingerprint,
        status=raw.status,
        labels=labels,
        annotations={name: redact(_truncate(value, _MAX_TEXT)) for name, value in annotations.items()},
        starts_at=_utc(raw.starts_at, f"{where}.startsAt"),
        ends_at=end if end != _UNSET and raw.status is AlertStatus.RESOLVED else None,
        generator_url=redact(_truncate(raw.generator_url, _MAX_URL)),
        whole=labels == texts,
    )


def _texts(raw: dict[str, Any], where: str) -> dict[str, str]:
    if len(raw) > _MAX_LABELS:
        raise Unprocessable(f"{where}: expected at most {_MAX_LABELS} of them")
    for name, value in raw.items():
        if not name or len(name) > _MAX_NAME:
            raise Unprocessable(f"{where}: expected names of 1 to {_MAX_NAME} characters")
        if not isinstance(value, str):
            shown = f".{name}" if _PLAIN.match(name) else "[...]"
            raise Unprocessable(f"{where}{shown}: expected a string")
    return raw


def _utc(moment: datetime, where: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Unprocessable(f"{where}: expected a time within the calendar") from None


def _truncate(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(_ELLIPSIS)] + _ELLIPSIS
