"""What Alertmanager sends to a webhook (version 4), parsed strictly: all of it is understood, or none of it is used.

Texts are cut and secrets masked here, before anything is stored. An error names the field and never quotes a value,
for it goes back over the network.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from prunella_workflows.model.alert import Alert, AlertStatus
from prunella_workflows.model.redaction import MASK, names_secret, redact

VERSION = "4"
_LABELS = 64
_NAME = 128
_VALUE = 1024
_TEXT = 4096
_URL = 2048
_CUT = "…"
_FINGERPRINT = re.compile(r"[0-9A-Za-z]{1,64}\Z")
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_NEVER = datetime.min.replace(tzinfo=UTC)  # what Go writes for a time that is not set

Moment = Annotated[datetime, Meta(tz=True)]


class Malformed(Exception):
    """The body is no JSON."""


class Unprocessable(Exception):
    """The JSON is not what Alertmanager sends; the message names the field."""


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
    """The alerts of one notification, and how many more Alertmanager left out of it.

    Raises:
        Malformed: it is no JSON.
        Unprocessable: it is not what Alertmanager sends.
    """
    try:
        payload = _DECODER.decode(body)
    except ValidationError as error:
        raise Unprocessable(_in_our_words(str(error))) from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("the body is no JSON") from None
    if payload.version != VERSION:
        raise Unprocessable(f'version: expected "{VERSION}"')
    alerts = tuple(_alert(raw, f"alerts[{index}]") for index, raw in enumerate(payload.alerts))
    return alerts, payload.truncated_alerts


def _in_our_words(said: str) -> str:
    """`Expected `str`, got `int` - at `$.alerts[0].startsAt`` as `alerts[0].startsAt: expected str, got int`."""
    what, _, where = said.replace("`", "").partition(" - at $")
    if what.startswith("Invalid enum value"):
        what = "expected firing or resolved"
    return f"{where.lstrip('.') or 'the body'}: {what[:1].lower()}{what[1:]}"


def _alert(raw: _Alert, where: str) -> Alert:
    if not _FINGERPRINT.match(raw.fingerprint):
        raise Unprocessable(f"{where}.fingerprint: expected 1 to 64 letters and digits")
    texts = _texts(raw.labels, f"{where}.labels")
    labels = {name: MASK if names_secret(name) else _cut(value, _VALUE) for name, value in texts.items()}
    annotations = _texts(raw.annotations, f"{where}.annotations")
    return Alert(
        fingerprint=raw.fingerprint,
        status=raw.status,
        labels=labels,
        annotations={name: redact(_cut(value, _TEXT)) for name, value in annotations.items()},
        starts_at=_utc(raw.starts_at, f"{where}.startsAt"),
        ends_at=_end(raw, where),
        generator_url=redact(_cut(raw.generator_url, _URL)),
        whole=labels == texts,
    )


def _end(raw: _Alert, where: str) -> datetime | None:
    end = _utc(raw.ends_at, f"{where}.endsAt") if raw.ends_at is not None else _NEVER
    return end if end != _NEVER and raw.status is AlertStatus.RESOLVED else None


def _texts(raw: dict[str, Any], where: str) -> dict[str, str]:
    if len(raw) > _LABELS:
        raise Unprocessable(f"{where}: expected at most {_LABELS} of them")
    for name, value in raw.items():
        if not name or len(name) > _NAME:
            raise Unprocessable(f"{where}: expected names of 1 to {_NAME} characters")
        if not isinstance(value, str):
            shown = f".{name}" if _PLAIN.match(name) else "[...]"
            raise Unprocessable(f"{where}{shown}: expected a string")
    return raw


def _utc(moment: datetime, where: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Unprocessable(f"{where}: expected a time within the calendar") from None


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT
