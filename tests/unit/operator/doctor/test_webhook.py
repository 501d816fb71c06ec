"""`prunella doctor` on the webhook: what would keep alerts out, or let too many in."""

import pytest
from support.certificates import Authority

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.webhook import check_webhook

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    return path


def check(**values):
    return check_webhook(Settings.load({key: str(value) for key, value in values.items()}))


def test_a_token_is_good(token):
    found = check(webhook_host="0.0.0.0", webhook_token_file=token)
    assert (found.passed, found.message) == (True, "http://0.0.0.0:9095 requires a token")
    assert TOKEN not in str(found)


def test_client_certificates_are_good(tmp_path):
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    found = check(webhook_tls_cert=cert, webhook_tls_key=key, webhook_client_ca=authority.path)
    assert (found.passed, found.message) == (True, "https://127.0.0.1:9095 requires a client certificate")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"webhook_port": 0}, "alerts are not accepted"),
        ({"webhook_host": "127.0.0.1"}, "http://127.0.0.1:9095 requires no credentials"),
        ({"webhook_host": "0.0.0.0", "webhook_open": "true"}, "http://0.0.0.0:9095 requires no credentials"),
    ],
    ids=str,
)
def test_what_the_owner_wants_is_good(values, message):
    found = check(**values)
    assert found.passed
    assert message in found.message


@pytest.mark.parametrize(
    ("values", "message", "fix"),
    [
        ({"webhook_host": "0.0.0.0"}, "served on loopback only", "webhook_token_file"),
        ({"webhook_port": 8080}, "is already used by another of our ports", "webhook_port=9095"),
        ({"webhook_token_file": "/nowhere/token"}, "cannot be read: No such file", "openssl rand"),
        ({"webhook_client_ca": "/nowhere/ca"}, "need webhook_tls_cert", "PEM files"),
        ({"webhook_tls_cert": "/nowhere/cert"}, "cannot be loaded", "PEM files"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_with_what_to_do(values, message, fix):
    found = check(**values)
    assert not found.passed
    assert message in found.message
    assert fix in found.fix


def test_a_pod_without_a_token_takes_no_alerts_of_others_and_that_is_in_order(monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    found = check()
    assert found.passed
    assert "only from this machine" in found.message


def test_a_token_that_everybody_can_read_is_none(token):
    token.chmod(0o644)
    assert "is world-readable" in check(webhook_token_file=token).message


def test_a_token_that_can_be_guessed_is_none(token):
    token.write_text("secret")
    assert "at least 16 characters" in check(webhook_token_file=token).message
