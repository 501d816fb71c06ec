"""The codec server with a real Temporal server and Temporal's own command line."""

import asyncio
import base64
import secrets

import pytest
from aiohttp import web
from workflow.healing_env import BIN, start_dev_server

from prunella_operator.codec_server.serve import create_server
from prunella_operator.config.settings import Settings
from prunella_operator.temporal.client import connect

pytestmark = pytest.mark.timeout(180)
TOKEN = "correct-horse-battery-staple"
CANARY = base64.b64encode(b'"canary"').decode()


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "keys").write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    (tmp_path / "tokens").write_text(TOKEN)
    return Settings(payload_key_file=str(tmp_path / "keys"), codec_token_file=str(tmp_path / "tokens"))


async def show(address, *options):
    """The output of the command line about the workflow."""
    arguments = ("workflow", "show", "--address", address, "--workflow-id", "w", "--output", "json", *options)
    streams = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
    process = await asyncio.create_subprocess_exec(str(BIN / "temporal"), *arguments, **streams)
    return (await process.communicate())[0].decode()


async def test_the_command_line_reads_what_the_server_stores_encrypted(settings):
    runner = web.AppRunner(create_server(settings).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = ("--codec-endpoint", f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        async with start_dev_server() as environment:
            address = environment.client.service_client.config.target_host
            client = await connect(settings.model_copy(update={"temporal_address": address}), lazy=False)
            await client.start_workflow("Anything", "canary", id="w", task_queue="no-worker")
            assert CANARY not in await show(address)
            assert CANARY not in await show(address, *endpoint)
            assert CANARY in await show(address, *endpoint, "--codec-auth", f"Bearer {TOKEN}")
    finally:
        await runner.cleanup()
