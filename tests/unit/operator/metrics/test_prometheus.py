"""Asking a Prometheus: what is a number, what is none and why, and what must never get out."""

import logging
import math
import socket
import subprocess
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from fakes.prometheus import serving

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.metrics.factory import create_source
from prunella_operator.metrics.port import NotConfigured, default_step
from prunella_operator.metrics.prometheus import Prometheus
from prunella_workflows.model.measurement import NoData, Reading, Why

TOKEN = "canary-4f9c1e7ab2"
START = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def fake():
    with serving() as server:
        yield server


@pytest.fixture
def source(fake):
    return Prometheus(fake.url, 5)


def why(answer):
    assert isinstance(answer, NoData), answer
    assert answer.message
    assert TOKEN not in answer.message
    return answer.why


# A number


def test_a_number_with_its_time(fake, source):
    fake.vector("0.25")
    before = clock.now()
    answer = source.value("up")
    assert isinstance(answer, Reading)
    assert answer.value == 0.25
    assert abs(answer.at - before) < timedelta(seconds=5)
    (asked,) = fake.asked
    assert (asked.method, asked.path) == ("GET", "/api/v1/query")
    assert asked.params == {"query": "up", "timeout": "5s", "lookback_delta": "120s"}


def test_a_scalar_is_a_number_too(fake, source):
    fake.data = {"resultType": "scalar", "result": [clock.now().timestamp(), "3"]}
    assert source.value("scalar(up)").value == 3


def test_infinity_is_a_number(fake, source):
    fake.vector("+Inf")
    assert source.value("x").value == math.inf


@pytest.mark.parametrize("how", [{"chunked": True}, {"zipped": True}, {"chunked": True, "zipped": True}], ids=str)
def test_answers_come_in_many_wrappings(fake, source, how):
    for name, value in how.items():
        setattr(fake, name, value)
    fake.vector("7", label="x" * 5000)
    assert source.value("x").value == 7


def test_a_long_query_goes_in_the_body(fake, source):
    fake.vector("1")
    query = f'up{{pod=~"{"x" * 5000}"}}'
    assert source.value(query).value == 1
    (asked,) = fake.asked
    assert (asked.method, asked.params["query"]) == ("POST", query)


def test_infos_are_no_warnings(fake, source):
    fake.vector("1")
    fake.more = {"infos": ["PromQL info: metric might not be a counter"]}
    assert source.value("x").value == 1


# No number, and why


VECTOR = {"resultType": "vector", "result": []}


@pytest.mark.parametrize(
    ("values", "reason"),
    [(("NaN",), Why.NOT_A_NUMBER), ((), Why.EMPTY), (("1", "1"), Why.SEVERAL), (("NaN", "1"), Why.SEVERAL)],
    ids=["nan", "empty", "several", "several with nan"],
)
def test_what_is_no_number(fake, source, values, reason):
    fake.vector(*values)
    assert why(source.value("x")) is reason


@pytest.mark.parametrize(("age", "stale"), [(100, False), (130, True), (86400, True), (-30, False)])
def test_what_is_old_says_nothing_about_now(fake, source, age, stale):
    fake.vector("1", at=clock.now().timestamp() - age)
    answer = source.value("x")
    assert (why(answer) is Why.STALE) if stale else (answer.value == 1)


def test_a_warning_makes_it_partial(fake, source):
    fake.vector("1")
    fake.more = {"warnings": ["store 10.0.0.7 did not answer, Authorization: Bearer abcdefghijklmnop0123456789"]}
    answer = source.value("x")
    assert why(answer) is Why.PARTIAL
    assert "store 10.0.0.7 did not answer" in answer.message
    assert "abcdefghijklmnop0123456789" not in answer.message


BAD_QUERY = {"errorType": "bad_data", "error": "invalid parameter query: 1:5: parse error: unexpected end of input"}


@pytest.mark.parametrize(
    ("code", "more", "reason", "words"),
    [
        (400, BAD_QUERY, Why.REFUSED, "parse error"),
        (422, {"errorType": "execution", "error": "found duplicate series"}, Why.REFUSED, "duplicate series"),
        (401, {}, Why.REFUSED, "prometheus_token_file"),
        (403, {}, Why.REFUSED, "prometheus_token_file"),
        (404, {}, Why.REFUSED, "404"),
        (302, {}, Why.REFUSED, "redirects"),
        (307, {}, Why.REFUSED, "redirects"),
        (429, {}, Why.UNREACHABLE, "429"),
        (500, {"errorType": "internal", "error": "x"}, Why.UNREACHABLE, "500"),
        (503, {}, Why.UNREACHABLE, "503"),
        (503, {"errorType": "timeout", "error": "query timed out"}, Why.SLOW, "timed out"),
        (503, {"errorType": "canceled", "error": "x"}, Why.SLOW, "timed out"),
        (504, {}, Why.SLOW, "timed out"),
    ],
)
def test_errors_of_the_api_and_of_proxies(fake, source, *, code, more, reason, words):
    fake.code, fake.more = code, more
    fake.headers = {"Location": "http://127.0.0.1:1/"} if code in {302, 307} else {}
    answer = source.value("x")
    assert why(answer) is reason
    assert words in answer.message
    assert len(fake.asked) == 1, "a retry must be the caller's decision"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b"[]",
        b"null",
        b"7",
        b'{"status":"success"}',
        b'{"status":"success","data":null}',
        b'{"status":"success","data":[]}',
        b'{"status":"success","data":{"result":null}}',
        b'{"status":"success","data":{"result":7}}',
        b'{"status":"success","data":{"result":"abc"}}',
        b'{"status":"success","data":{"result":{}}}',
        b'{"status":"success","data":{"result":[null]}}',
        b'{"status":"success","data":{"result":[{}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"value":[1]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"value":["x","1"]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"value":[1e300,"1"]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"value":[1,"one"]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{"a":{}},"value":[1,"1"]}]}}',
        b'{"status":"success","data":{"result":[{"metric":[],"value":[1,"1"]}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"histogram":[1,{"count":"1"}]}]}}',
        b'{"status":"success","warnings":7,"data":{"result":[{"metric":{},"value":[1,"1"]}]}}',
        b'{"status":"success","data":{"result":[1,"text"]}}',
        b"\xff\xfe\x00",
    ],
)
def test_garbage_is_no_number(fake, source, body):
    fake.body = body
    assert why(source.value("x")) in {Why.UNREADABLE, Why.EMPTY, Why.STALE}
    assert not isinstance(source.vector("x"), tuple) or body.count(b'"1"')


def test_an_answer_that_ends_too_early(fake, source):
    fake.body, fake.headers = b'{"status":', {"Content-Encoding": "gzip"}
    assert why(source.value("x")) in {Why.UNREADABLE, Why.UNREACHABLE}


def test_an_answer_that_is_too_large(fake, source):
    fake.vector(*["1"] * 100)
    fake.more = {"padding": "x" * (9 << 20)}
    assert why(source.value("x")) is Why.UNREADABLE


def test_a_bomb_does_not_fill_the_memory(fake):
    fake.zipped, fake.body = True, b"0" * (50 << 20)
    tracemalloc.start()
    assert why(Prometheus(fake.url, 10).value("x")) is Why.UNREADABLE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150 << 20, "the server here holds 50 MiB itself"


@pytest.mark.parametrize("how", [{"before": 4}, {"drip": 0.05}, {"drip": 0.05, "chunked": True}], ids=str)
def test_a_slow_answer_is_none(fake, how):
    fake.vector("1")
    for name, value in how.items():
        setattr(fake, name, value)
    began = time.monotonic()
    assert why(Prometheus(fake.url, 0.4).value("x")) is Why.SLOW
    assert time.monotonic() - began < 3


def test_nobody_there(source):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = Prometheus(f"http://127.0.0.1:{taken.getsockname()[1]}", 1).value("x")
    assert why(answer) is Why.UNREACHABLE
    assert "Connection refused" in answer.message


def test_a_name_that_nobody_knows():
    assert why(Prometheus("http://prometheus.invalid:9090", 1).value("x")) is Why.UNREACHABLE


def test_no_prometheus_is_an_answer_too():
    source = NotConfigured()
    assert why(source.value("x")) is Why.NOT_CONFIGURED
    assert why(source.vector("x")) is Why.NOT_CONFIGURED
    assert why(source.series("x", START, START)) is Why.NOT_CONFIGURED


# Several numbers


def test_a_range_selector_gives_readings_with_the_times_of_their_own(fake, source):
    now = clock.now().timestamp()
    fake.data = {
        "resultType": "matrix",
        "result": [
            {"metric": {"pod": "a"}, "values": [[now - 20, "1"], [now - 10, "NaN"], [now, "3"]]},
            {"metric": {"pod": "b"}, "values": []},
        ],
    }
    (series,) = source.vector("x[2m]")
    assert series.labels == {"pod": "a"}
    assert [str(reading.value) for reading in series.readings] == ["1.0", "nan", "3.0"]
    assert series.last.value == 3


def test_a_range_query_says_from_when_to_when_and_how_often(fake, source):
    fake.data = {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "1"]]}]}
    (series,) = source.series("x", START, START + timedelta(hours=1))
    assert series.last.value == 1
    (asked,) = fake.asked
    assert asked.path == "/api/v1/query_range"
    start = int(START.timestamp())
    wanted = {"query": "x", "start": str(start), "end": str(start + 3600), "step": "15", "timeout": "5s"}
    assert asked.params == wanted


def test_a_step_of_ones_own(fake, source):
    source.series("x", START, START + timedelta(hours=1), 90)
    assert fake.asked[0].params["step"] == "90"


@pytest.mark.parametrize(
    ("span", "step"),
    [
        (timedelta(minutes=2), 15),
        (timedelta(hours=1), 15),
        (timedelta(hours=2), 30),
        (timedelta(days=1), 600),
        (timedelta(days=30), 10800),
    ],
    ids=str,
)
def test_the_step_follows_the_range(span, step):
    assert default_step(START, START + span) == step


# Who asks


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


def test_the_token_is_read_at_each_call(fake, token):
    fake.vector("1")
    source = Prometheus(fake.url, 5, token_file=str(token))
    source.value("x")
    token.write_text("another")
    source.value("x")
    assert [request.headers["Authorization"] for request in fake.asked] == [f"Bearer {TOKEN}", "Bearer another"]


def test_a_token_that_is_refused_is_not_told(fake, token, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    fake.code = 401
    fake.body = f"bad token {TOKEN}".encode()
    assert why(Prometheus(fake.url, 5, token_file=str(token)).value("x")) is Why.REFUSED
    fake.code, fake.body = 400, None
    fake.more = {"errorType": "bad_data", "error": f"Authorization: Bearer {TOKEN}"}
    assert why(Prometheus(fake.url, 5, token_file=str(token)).value("x")) is Why.REFUSED
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("content", [f"{TOKEN}\nsecond line", f"{TOKEN}\u20ac", f"{TOKEN}\r\nX: y"], ids=ascii)
def test_a_token_that_is_no_header(fake, token, content, caplog):
    caplog.set_level(logging.DEBUG)
    token.write_text(content)
    why(Prometheus(fake.url, 5, token_file=str(token)).value("x"))
    assert fake.asked == []
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    "make", [lambda path: path.unlink(), lambda path: path.write_text(" \n")], ids=["gone", "empty"]
)
def test_without_its_token_it_does_not_ask(fake, token, make):
    make(token)
    answer = Prometheus(fake.url, 5, token_file=str(token)).value("x")
    assert why(answer) is Why.REFUSED
    assert "prometheus_token_file" in answer.message
    assert fake.asked == []


def test_the_token_does_not_follow_a_redirect(fake, token):
    with serving() as other:
        other.vector("1")
        fake.code, fake.headers = 302, {"Location": f"{other.url}/api/v1/query?query=x"}
        assert why(Prometheus(fake.url, 5, token_file=str(token)).value("x")) is Why.REFUSED
        assert other.asked == []


def test_nothing_of_the_environment_counts(fake, token, tmp_path, monkeypatch):
    """A netrc would replace the token, a proxy would see it."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    fake.vector("1")
    assert Prometheus(fake.url, 5, token_file=str(token)).value("x").value == 1
    assert fake.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, crt = folder / "key.pem", folder / "crt.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", crt], check=True, capture_output=True)
    (folder / "both.pem").write_text(key.read_text() + crt.read_text())
    return folder


def test_tls_with_the_authority_that_is_named(certificate):
    with serving(certificate / "both.pem") as fake:
        fake.vector("1")
        assert Prometheus(fake.url, 5, ca_file=str(certificate / "crt.pem")).value("x").value == 1


def test_tls_with_an_authority_that_nobody_knows(certificate, token):
    with serving(certificate / "both.pem") as fake:
        answer = Prometheus(fake.url, 5, token_file=str(token)).value("x")
        assert why(answer) is Why.UNREACHABLE
        assert "certificate" in answer.message
        assert fake.asked == []


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["gone", "garbage"])
def test_an_authority_file_that_is_none(tmp_path, fake, content):
    path = tmp_path / "ca.crt"
    if content:
        path.write_text(content)
    answer = Prometheus(fake.url.replace("http:", "https:"), 5, ca_file=str(path)).value("x")
    assert why(answer) in {Why.REFUSED, Why.UNREACHABLE}
    assert fake.asked == []


# Settings


def test_the_settings_choose_the_source(fake, token):
    assert isinstance(create_source(Settings.load({})), NotConfigured)
    fake.vector("1")
    settings = Settings.load({"prometheus_url": f"{fake.url}/", "prometheus_token_file": str(token)})
    assert create_source(settings).value("x").value == 1
    assert fake.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:canary-pw@host",
        "http://canary-pw@host",
        "host:9090",
        "ftp://host",
        "http://",
        "http://h?x=canary-pw",
    ],
)
def test_an_address_is_an_address_alone(url):
    with pytest.raises(ValueError, match="prometheus_url") as refused:
        Settings.load({"prometheus_url": url})
    assert "canary-pw" not in str(refused.value)


@pytest.mark.parametrize("seconds", [0, -1, 11])
def test_a_query_may_not_outlast_its_activity(seconds):
    with pytest.raises(ValueError, match="prometheus_timeout"):
        Settings.load({"prometheus_timeout": seconds})


def test_files_may_be_below_the_home_folder(fake, token, monkeypatch):
    monkeypatch.setenv("HOME", str(token.parent))
    fake.vector("1")
    assert Prometheus(fake.url, 5, token_file="~/token").value("x").value == 1
