"""The credentials of a client of Temporal: certificates that cannot be used are named before a connection is tried."""

import pytest
from support.certificates import Authority
from temporalio.service import TLSConfig

from prunella_operator.config.settings import Settings
from prunella_operator.temporal.credentials import TlsFileError, find_credentials


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def environment(monkeypatch):
    def set_variables(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"TEMPORAL_{name}", str(value))

    return set_variables


def test_nothing_is_shown_by_default():
    assert find_credentials(Settings()).tls is False


def test_an_api_key_is_never_sent_without_tls(environment):
    environment(API_KEY="hunter2", TLS="false")
    found = find_credentials(Settings(temporal_tls=False))
    assert (found.api_key, found.tls) == ("hunter2", TLSConfig())
    assert "hunter2" not in repr(found)


def test_prunellas_own_setting_turns_tls_off(environment, authority):
    environment(TLS_SERVER_CA_CERT_PATH=authority.path)
    assert find_credentials(Settings(temporal_tls=False)).tls is False


def test_files_and_data_become_the_same(environment, authority):
    certificate, key = authority.issue("client")
    environment(TLS_SERVER_CA_CERT_DATA=authority.path.read_text(), TLS_SERVER_NAME="temporal")
    environment(TLS_CLIENT_CERT_PATH=certificate, TLS_CLIENT_KEY_PATH=key)
    expected = TLSConfig(authority.path.read_bytes(), "temporal", certificate.read_bytes(), key.read_bytes())
    found = find_credentials(Settings())
    assert found.tls == expected
    assert "PRIVATE" not in repr(found)


def test_a_certificate_wants_its_key(environment, authority):
    certificate, key = authority.issue("client")
    environment(TLS_CLIENT_CERT_PATH=certificate)
    with pytest.raises(TlsFileError, match=r"set TEMPORAL_TLS_CLIENT_KEY_PATH .*too"):
        find_credentials(Settings())
    _, other = authority.issue("other")
    environment(TLS_CLIENT_KEY_PATH=other)
    with pytest.raises(TlsFileError, match=rf"{other}: it is not the key of the certificate in .*{certificate}"):
        find_credentials(Settings())
    environment(TLS_CLIENT_KEY_PATH=key)
    assert find_credentials(Settings()).tls


@pytest.mark.parametrize(
    "content", [b"", b"hunter2", b"-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----"]
)
@pytest.mark.parametrize("name", ["SERVER_CA_CERT", "CLIENT_CERT", "CLIENT_KEY"])
def test_what_is_no_certificate_or_key_is_named_and_not_quoted(environment, authority, tmp_path, name, content):
    certificate, key = authority.issue("client")
    environment(TLS_CLIENT_CERT_PATH=certificate, TLS_CLIENT_KEY_PATH=key)
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(content)
    environment(**{f"TLS_{name}_PATH": wrong})
    with pytest.raises(TlsFileError) as refused:
        find_credentials(Settings())
    assert f"TEMPORAL_TLS_{name}_PATH" in str(refused.value)
    assert str(wrong) in str(refused.value)
    assert "hunter2" not in str(refused.value)
