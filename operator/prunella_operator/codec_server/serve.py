"""The codec server as a process of its own: it needs keys and tokens, and neither Kubernetes nor Temporal."""

import asyncio
from pathlib import Path

import structlog
from aiohttp import web

from prunella_operator.codec_server.access import create_identify
from prunella_operator.codec_server.app import CodecServer
from prunella_operator.config.settings import Settings
from prunella_operator.http_server import Listener, serve
from prunella_operator.temporal.payload_codec import EncryptionCodec, KeyFile
from prunella_workflows.model.errors import InvalidInputError

_log = structlog.get_logger("prunella.codec")


def create_server(settings: Settings) -> CodecServer:
    """Build the application of these settings. Raises InvalidInputError, KeyFileError."""
    if settings.payload_key_file is None:
        raise InvalidInputError("set payload_key_file to the keys of operator and workers")
    keys = KeyFile(Path(settings.payload_key_file))
    keys.keys()
    origins = frozenset(settings.codec_origins)
    return CodecServer(EncryptionCodec(keys), create_identify(settings), origins, settings.codec_encode)


async def serve_codec(settings: Settings) -> None:
    """Serve until cancelled. Raises CannotListen, InvalidInputError, KeyFileError."""
    runner = web.AppRunner(create_server(settings).app(), access_log=None)
    async with serve(runner, Listener("the codec server", settings.http_host, settings.codec_port, "codec_port")):
        url = f"http://{settings.http_host}:{settings.codec_port}"
        _log.info("codec server started", url=url, encode=settings.codec_encode)
        await asyncio.Event().wait()
