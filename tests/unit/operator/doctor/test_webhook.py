"""Doctor check of the webhook: settings that block alerts or admit too many."""

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
    result = check(webhook_host="0.0.0.0", webhook_token_file=token)
    assert (result.passed, result.message) == (True, "http://0.0.0.0:9095 requires a token")
    assert TOKEN not in str(result)


def test_client_certificates_are_good(tmp_path):
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    result = check(webhook_tls_cert=cert, webhook_tls_key=key, webhook_client_ca=authority.path)
    assert (result.passed, result.message) == (True, "https://127.0.0.1:9095 requires a client certificate")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"webhook_port": 0}, "alerts are not accepted"),
        ({"webhook_host": "127.0.0.1"}, "http://127.0.0.1:9095 requires no credentials"),
        ({"webhook_host": "0.0.0.0", "webhook_open": "true"}, "http://0.0.0.0:9095 requires no credentials"),
    ],
    ids=str,
)
def test_intended_settings_pass(values, message):
    result = check(**values)
    assert result.passed
    assert message in result.message


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
def test_a_problem_is_reported_with_its_fix(values, message, fix):
    result = check(**values)
    assert not result.passed
    assert message in result.message
    assert fix in result.fix


def test_a_pod_without_a_token_passes_with_loopback_only(monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    result = check()
    assert result.passed
    assert "only from this machine" in result.message


def test_a_world_readable_token_fails(token):
    token.chmod(0o644)
    assert "is world-readable" in check(webhook_token_file=token).message


def test_a_weak_token_fails(token):
    token.write_text("secret")
    assert "at least 16 characters" in check(webhook_token_file=token).message
