"""The webhook over real sockets: who gets in, what is answered, and what is stored."""

import asyncio
import io
import json
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from localcluster.ports import free_ports
from support.certificates import Authority
from support.notifications import a_notification, an_alert, body

from prunella_operator.alerts import server as alerts_server
from prunella_operator.alerts import webhook as alerts
from prunella_operator.alerts.rate_limit import RateLimit
from prunella_operator.alerts.server import exposure, run_webhook
from prunella_operator.alerts.tokens import TokenFile
from prunella_operator.alerts.webhook import PATH, Webhook, allow_all
from prunella_operator.config.settings import Settings
from prunella_operator.http_server import CannotListen
from prunella_operator.process import Process
from prunella_operator.temporal.rpc import TemporalUnavailable
from prunella_workflows.contracts.alerts import AlertRequest

TOKEN = "correct-horse-battery-staple"
OLD = "an-older-token-that-still-counts"
JSON = {"Content-Type": "application/json"}


class Kept:
    """A store that keeps, or is away."""

    def __init__(self):
        self.alerts = []
        self.away = False

    async def dispatch(self, alerts):
        if self.away:
            raise TemporalUnavailable("connection refused")
        self.alerts += alerts


def never(_authorization):
    return False


@asynccontextmanager
async def serving(store, is_authorized=allow_all, limit=None, max_body=10_000):
    webhook = Webhook(store, is_authorized, limit or RateLimit(1000, 1000), max_body)
    runner = web.AppRunner(webhook.app(), access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            yield session
    finally:
        await runner.cleanup()


async def post(session, data=None, headers=JSON, path=PATH):
    async with session.post(path, data=body() if data is None else data, headers=headers) as answer:
        return answer.status, await answer.text(), answer.headers


async def test_what_is_stored_is_answered_with_200():
    store = Kept()
    async with serving(store) as session:
        status, text, headers = await post(session, body(an_alert(), an_alert(fingerprint="ff")))
    assert (status, text) == (200, "2 stored\n")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert [alert.fingerprint for alert in store.alerts] == ["0123456789abcdef", "ff"]


async def test_what_could_not_be_stored_comes_again():
    store = Kept()
    async with serving(store) as session:
        store.away = True
        status, text, headers = await post(session)
        assert (status, text, headers["Retry-After"]) == (503, "not stored, send again\n", "10")
        store.away = False
        assert (await post(session))[0] == 200
    assert len(store.alerts) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused(method):
    async with serving(Kept()) as session, session.request(method, PATH) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_other_paths_are_unknown():
    async with serving(Kept()) as session:
        assert (await post(session, path="/webhooks"))[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
        {},
    ],
    ids=str,
)
async def test_what_does_not_say_that_it_is_plain_json_is_refused(headers):
    store = Kept()
    async with serving(store) as session:
        status, text, _ = await post(session, headers=headers)
    assert (status, text, store.alerts) == (415, "expected application/json, not compressed\n", [])


async def test_a_charset_is_fine():
    async with serving(Kept()) as session:
        assert (await post(session, headers={"Content-Type": "application/json; charset=utf-8"}))[0] == 200


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"{", 400, "the body is not JSON\n"),
        (b"", 400, "the body is not JSON\n"),
        (body(version="3"), 422, 'version: expected "4"\n'),
        (body(an_alert(labels={"namespace": 3})), 422, "alerts[0].labels.namespace: expected a string\n"),
    ],
    ids=["cut", "empty", "version", "type"],
)
async def test_what_is_not_understood_is_named(data, status, said):
    store = Kept()
    async with serving(store) as session:
        assert (await post(session, data))[:2] == (status, said)
    assert store.alerts == []


async def test_one_bad_alert_means_that_none_is_stored():
    store = Kept()
    async with serving(store) as session:
        assert (await post(session, body(an_alert(), an_alert(fingerprint="../"))))[0] == 422
    assert store.alerts == []


# Sizes and rates


@pytest.mark.parametrize("size", [10_001, 10 << 20], ids=["a byte too many", "10 MiB"])
async def test_a_body_that_says_it_is_too_large_is_not_read(size):
    store = Kept()
    async with serving(store) as session:
        status, text, _ = await post(session, io.BytesIO(b" " * size))
    assert (status, text, store.alerts) == (413, "expected at most 10000 bytes\n", [])


async def test_a_body_that_does_not_say_how_large_it_is_is_read_no_further_than_allowed():
    sent = 0

    async def endless():
        nonlocal sent
        while sent < 10 << 20:
            sent += 1 << 14
            yield b" " * (1 << 14)

    async with serving(Kept()) as session:
        try:
            status = (await post(session, endless()))[0]
        except aiohttp.ClientError:  # the connection was closed while we still talked
            status = 413
    assert status == 413
    assert sent < 10 << 20


async def test_a_body_that_never_comes_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(alerts, "_BODY_TIMEOUT_SECONDS", 0.05)

    async def slow():
        yield b"{"
        await asyncio.sleep(5)

    async with serving(Kept()) as session:
        assert (await post(session, slow()))[0] == 408


async def test_too_many_requests_are_told_when_to_come_back():
    now = 0.0
    limit = RateLimit(2.0, 3, lambda: now)
    async with serving(Kept(), limit=limit) as session:
        codes = [(await post(session))[0] for _ in range(4)]
        headers = (await post(session))[2]
        now = 1.0
        codes += [(await post(session))[0] for _ in range(3)]
    assert codes == [200, 200, 200, 429, 200, 200, 429]
    assert headers["Retry-After"] == "1"


async def test_strangers_do_not_use_up_the_rate():
    limit = RateLimit(1.0, 1, lambda: 0.0)
    store, good = Kept(), lambda authorization: authorization == "good"
    async with serving(store, good, limit) as session:
        for _ in range(5):
            assert (await post(session))[0] == 401
        assert (await post(session, headers={**JSON, "Authorization": "good"}))[0] == 200


# Tokens


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n\n  {OLD}  \n")
    return TokenFile(path)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer {TOKEN}", True),
        (f"Bearer  {TOKEN} ", True),
        (f"Bearer {OLD}", True),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False),
        (f"Bearer {TOKEN}\n{OLD}", False),
        ("Bearer ", False),
        ("Bearer", False),
        ("", False),
        ("Bearer \udcff\udcfe", False),
    ],
    ids=repr,
)
def test_which_headers_are_accepted(tokens, header, accepted):
    assert tokens.accepts(header) is accepted


async def test_who_is_not_allowed_in_learns_nothing(tokens):
    store = Kept()
    async with serving(store, tokens.accepts) as session:
        for headers in (JSON, {**JSON, "Authorization": "Bearer wrong"}, {"Content-Type": "text/plain"}):
            status, text, answered = await post(session, b"{" * 20_000, headers)
            assert (status, text, answered["WWW-Authenticate"]) == (401, "", "Bearer")
        assert (await post(session, headers={**JSON, "Authorization": f"Bearer {OLD}"}))[0] == 200
    assert len(store.alerts) == 1


def test_tokens_are_exchanged_without_a_restart(tokens):
    assert tokens.accepts(f"Bearer {OLD}")
    tokens.path.write_text(f"{TOKEN}\nthe-next-token-of-ours\n")
    assert not tokens.accepts(f"Bearer {OLD}")
    assert tokens.accepts("Bearer the-next-token-of-ours")


def test_a_mounted_secret_is_exchanged_by_a_link(tmp_path):
    for name, token in (("one", TOKEN), ("two", OLD)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(token)
    link = tmp_path / "data"
    link.symlink_to("one")
    found = TokenFile(link / "token")
    assert found.accepts(f"Bearer {TOKEN}")
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(link)
    assert (found.accepts(f"Bearer {TOKEN}"), found.accepts(f"Bearer {OLD}")) == (False, True)


@pytest.mark.parametrize("text", [b"", b"\n\n", b"short\n", b"\xff\xfe\xfd"], ids=repr)
async def test_without_a_usable_token_nobody_gets_in_and_alertmanager_comes_again(tmp_path, text):
    path, store = tmp_path / "tokens", Kept()
    path.write_bytes(text)
    found = TokenFile(path)
    async with serving(store, found.accepts) as session:
        status, said, headers = await post(session, headers={**JSON, "Authorization": "Bearer "})
    assert (status, headers["Retry-After"], store.alerts) == (503, "10", [])
    assert str(path) not in said
    assert "token file" in found.problem()


def test_a_token_file_that_is_not_there_yet_is_told(tmp_path):
    found = TokenFile(tmp_path / "tokens")
    assert "cannot be read: No such file" in found.problem()
    found.path.write_text(TOKEN)
    assert found.problem() == ""


def test_tokens_are_in_no_text(tokens):
    tokens.accepts("")
    assert TOKEN not in repr(tokens)


# Where it listens


@pytest.mark.parametrize(
    ("values", "host"),
    [
        ({"webhook_host": "0.0.0.0"}, "127.0.0.1"),
        ({"webhook_host": "::"}, "127.0.0.1"),
        ({"webhook_host": "10.0.0.1"}, "127.0.0.1"),
        ({"webhook_host": "127.0.0.1"}, "127.0.0.1"),
        ({"webhook_host": "::1"}, "::1"),
        ({"webhook_host": "localhost"}, "localhost"),
        ({"webhook_host": "0.0.0.0", "webhook_open": True}, "0.0.0.0"),
        ({"webhook_host": "0.0.0.0", "webhook_token_file": "/tokens"}, "0.0.0.0"),
        ({"webhook_host": "0.0.0.0", "webhook_client_ca": "/ca.pem"}, "0.0.0.0"),
    ],
    ids=str,
)
def test_without_protection_only_this_machine_is_served(values, host):
    found = exposure(Settings.load(values))
    assert found.host == host
    assert bool(found.warning) is (host != values["webhook_host"])


class Started:
    """A Temporal client that notes what is started."""

    def __init__(self):
        self.calls = []

    async def start_workflow(self, _run, request, **options):
        self.calls.append((request, options))


@asynccontextmanager
async def listening(**values):
    port, process, client = free_ports(1)[0], Process(), Started()
    found = Settings.load({"webhook_port": port, **{key: str(value) for key, value in values.items()}})
    async with run_webhook(found, client, process):
        yield port, process, client


async def test_an_alert_becomes_a_signal_to_the_workflow_of_its_fingerprint(tmp_path):
    (tmp_path / "tokens").write_text(TOKEN)
    async with listening(webhook_token_file=tmp_path / "tokens") as (port, process, client):
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            headers = {**JSON, "Authorization": f"Bearer {TOKEN}"}
            ended = an_alert(status="resolved", fingerprint="ff", endsAt="2026-03-04T13:00:00Z")
            assert (await post(session, body(an_alert(), ended), headers))[0] == 200
            assert (await post(session))[0] == 401
        assert process.readiness() == {"webhook": ""}
    first, second = client.calls
    assert first[0] == AlertRequest(fingerprint="0123456789abcdef")
    assert (first[1]["id"], first[1]["start_signal"]) == ("alert-0123456789abcdef", "fire")
    assert first[1]["static_summary"] == "KubePodCrashLooping shop"
    assert (second[1]["id"], second[1]["start_signal"]) == ("alert-ff", "resolve")


async def test_no_webhook_with_port_0():
    async with run_webhook(Settings.load({"webhook_port": 0}), Started(), Process()):
        pass


async def test_a_port_that_is_taken_is_told():
    async with listening() as (port, _, _):
        with pytest.raises(CannotListen, match="Choose another webhook_port"):
            async with run_webhook(Settings.load({"webhook_port": port}), Started(), Process()):
                pass


def client_context(authority, pair=None):
    context = ssl.create_default_context(cafile=str(authority.path))
    if pair:
        context.load_cert_chain(*map(str, pair))
    return context


async def send(port, context):
    where = f"https://127.0.0.1:{port}{PATH}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(where, data=body(), headers=JSON, ssl=context) as answer,
    ):
        return answer.status


async def test_with_a_client_ca_only_its_clients_get_in(tmp_path):
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "stranger")
    server = ours.issue("server")
    values = {"webhook_tls_cert": server[0], "webhook_tls_key": server[1], "webhook_client_ca": ours.path}
    async with listening(**values) as (port, _, client):
        assert await send(port, client_context(ours, ours.issue("alertmanager"))) == 200
        for context in (client_context(ours), client_context(ours, theirs.issue("mallory"))):
            with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
                await send(port, context)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await post(session)
    assert len(client.calls) == 1


async def test_a_new_certificate_is_used_without_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(alerts_server, "_CERTIFICATE_POLL_INTERVAL_SECONDS", 0.01)
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    pair = first.issue("server")
    async with listening(webhook_tls_cert=pair[0], webhook_tls_key=pair[1]) as (port, _, _):
        assert await send(port, client_context(first)) == 200
        pair[0].write_text("nonsense")
        await asyncio.sleep(0.05)
        assert await send(port, client_context(first)) == 200
        second.issue("server")  # over the same files
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await send(port, client_context(second)) == 200
                    break
                except (aiohttp.ClientError, ssl.SSLError):
                    await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "values",
    [
        {"webhook_client_ca": "/nowhere/ca.pem"},
        {"webhook_tls_key": "/nowhere/key.pem"},
        {"webhook_tls_cert": "/nowhere/cert.pem"},
    ],
    ids=str,
)
async def test_certificates_that_make_no_sense_are_told_at_the_start(values):
    with pytest.raises(CannotListen, match=r"webhook_tls_cert|cannot be loaded"):
        async with listening(**values):
            pass


# Whatever comes


HEAD = b"POST /webhooks/alertmanager HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
MALFORMED = (
    HEAD + b"Content-Length: -5\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 100\r\n\r\n{}",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
)


async def test_malformed_http_is_no_error_of_ours():
    async with serving(Kept()) as session:
        port = session._base_url.port
        for raw in MALFORMED:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            writer.write_eof()
            async with asyncio.timeout(5):
                answer = await reader.read()
            writer.close()
            assert not answer or answer.split(b" ")[1][:1] == b"4", answer[:80]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
hostile = st.sampled_from(
    ['"} or vector(1) #', "<script>alert(1)</script>", "$(reboot)", "../../etc", "[a](http://b)", "\x00", "{{ 7*7 }}"]
)
labels = st.dictionaries(st.text(max_size=10) | hostile, hostile | st.text(max_size=20) | json_values, max_size=5)
requests = st.one_of(
    st.binary(max_size=100),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.builds(lambda label: body(an_alert(labels=label)), labels),
    st.builds(lambda **values: json.dumps(a_notification(**values)).encode(), alerts=json_values, version=json_values),
)


@given(st.lists(requests, min_size=1, max_size=5))
@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_no_body_is_an_error_of_ours_and_nothing_is_stored_half(bodies):
    async def play():
        store = Kept()
        async with serving(store) as session:
            for data in bodies:
                before = len(store.alerts)
                status, text, _ = await post(session, data)
                assert status in {200, 400, 422}
                stored = len(store.alerts) - before
                assert stored == (int(text.split()[0]) if status == 200 else 0)

    asyncio.run(play())
