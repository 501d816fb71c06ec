"""TLS to a real Temporal server behind a TLS front, set up by Temporal's own variables and profiles."""

import asyncio
from datetime import timedelta

import pytest
from support.outage import Temporal
from support.temporal_front import tls_front
from temporalio import activity
from temporalio.worker import Worker

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.checks import check_temporal
from prunella_operator.temporal.client import connect, probe
from prunella_operator.temporal.credentials import TlsFileError
from prunella_workflows.model.errors import Unavailable

pytestmark = pytest.mark.timeout(180)
API_KEY = "hunter2-hunter2-hunter2"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Temporal(tmp_path_factory.mktemp("temporal"))
    server.start()
    yield server
    server.kill()


async def answer(**flags):
    """The finding of doctor, when the server has had time to start."""
    settings = Settings.load(flags)
    for _ in range(60):
        found = await asyncio.to_thread(check_temporal, settings, lambda: probe(settings))
        if found.passed or "refused" not in found.message:
            break
        await asyncio.sleep(1)
    return found


async def test_a_private_authority(server, authority, temporal_variables):
    async with tls_front(server.address, authority.issue("server")) as (address, _):
        temporal_variables(ADDRESS=address, TLS="true")
        assert "not trusted (UnknownIssuer): see TEMPORAL_TLS_SERVER_CA_CERT_PATH" in (await answer()).message
        temporal_variables(TLS_SERVER_CA_CERT_PATH=authority.path)
        assert (await answer()).passed


async def test_a_server_that_is_known_by_another_name(server, authority, temporal_variables):
    async with tls_front(server.address, authority.issue("server", ())) as (address, _):
        temporal_variables(ADDRESS=address, TLS_SERVER_CA_CERT_DATA=authority.path.read_text())
        assert "not trusted (NotValidForName" in (await answer()).message
        temporal_variables(TLS_SERVER_NAME="localhost")
        assert (await answer()).passed


async def test_a_client_certificate_and_a_worker_that_uses_it(server, authority, temporal_variables):
    certificate, key = authority.issue("client")
    pair = authority.issue("server")
    async with tls_front(server.address, pair, client_ca=authority.path) as (address, _):
        temporal_variables(ADDRESS=address, TLS_SERVER_CA_CERT_PATH=authority.path)
        assert not (await answer()).passed
        temporal_variables(TLS_CLIENT_CERT_PATH=certificate, TLS_CLIENT_KEY_PATH=key)
        assert (await answer()).passed
        assert await _run_activity(await connect(Settings(), lazy=False)) == "done"


async def test_an_api_key_is_sent_and_never_shown(server, authority, temporal_variables, capfd):
    pair = authority.issue("server")
    async with tls_front(server.address, pair, api_key=API_KEY) as (address, seen):
        temporal_variables(ADDRESS=address, TLS_SERVER_CA_CERT_PATH=authority.path, API_KEY=f"{API_KEY}-wrong")
        wrong = await answer()
        assert not wrong.passed
        assert "unknown API key" in wrong.message
        temporal_variables(API_KEY=API_KEY, GRPC_META_TEAM="shop")
        right = await answer()
        assert right.passed
        assert (seen["authorization"], seen["team"]) == (f"Bearer {API_KEY}", "shop")
    assert API_KEY not in f"{wrong} {right} {Settings()!r} {capfd.readouterr()}"


async def test_a_profile_of_a_file_and_prunellas_settings_over_it(server, authority, temporal_variables, tmp_path):
    async with tls_front(server.address, authority.issue("server"), api_key=API_KEY) as (address, _):
        (tmp_path / "temporal.toml").write_text(f"""
[profile.company]
address = "{address}"
namespace = "not-made-yet"
api_key = "{API_KEY}"
[profile.company.tls]
server_ca_cert_path = "{authority.path}"
""")
        temporal_variables(CONFIG_FILE=tmp_path / "temporal.toml", PROFILE="company")
        missing = await answer()
        assert "not-made-yet" in missing.message
        assert "temporal operator namespace create -n not-made-yet" in missing.fix
        assert (await answer(temporal_namespace="default")).passed


async def test_the_embedded_address_ignores_credentials(server, temporal_variables):
    temporal_variables(ADDRESS="elsewhere:7233", API_KEY=API_KEY, TLS="true")
    assert (await answer(temporal_address="embedded", temporal_port=server.port)).passed


async def test_a_server_that_is_away_is_unavailable(authority, temporal_variables):
    temporal_variables(ADDRESS="127.0.0.1:1", TLS_SERVER_CA_CERT_PATH=authority.path)
    with pytest.raises(Unavailable, match="does not answer"):
        await asyncio.to_thread(probe, Settings())


async def test_a_missing_file_is_named_before_anything_is_sent(temporal_variables, tmp_path):
    temporal_variables(ADDRESS="127.0.0.1:1", TLS_SERVER_CA_CERT_PATH=tmp_path / "gone.pem")
    with pytest.raises(TlsFileError, match=r"TEMPORAL_TLS_SERVER_CA_CERT_PATH .*gone\.pem: No such file"):
        await connect(Settings())


@activity.defn
async def work() -> str:
    return "done"


async def _run_activity(client):
    async with Worker(client, task_queue="tls", activities=[work]):
        limit = timedelta(seconds=60)
        return await client.execute_activity(work, id="tls", task_queue="tls", start_to_close_timeout=limit)
