"""The types of settings: how a value is parsed, and what is refused."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

EMBEDDED = "embedded"
"""The address that starts an embedded Temporal server (`prunella run` only)."""


def _split_names(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if value != EMBEDDED and not (colon and host and port.isdigit() and int(port) < 65536):  # noqa: PLR2004 - the TCP limit
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:7233")
    return value


def _check_url(value: str) -> str:
    """A URL without credentials: they would be printed wherever the URL is."""
    parts = urlsplit(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user or password: use a token file")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.port == 0:
        raise ValueError("expected http(s)://HOST[:PORT][/PATH], such as http://prometheus.monitoring:9090")
    return value.rstrip("/")


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Url = Annotated[str, AfterValidator(_check_url)]
Address = Annotated[str, AfterValidator(_check_address)]
Share = Annotated[float, Field(gt=0, le=1)]
