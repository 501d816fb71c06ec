"""The credentials of a client of Temporal: certificates that cannot be used are named before a connection is tried."""

import pytest
from temporalio.service import TLSConfig

from prunella_operator.config.settings import Settings
from prunella_operator.temporal.credentials import TlsFileError, find_credentials


def test_nothing_is_shown_by_default():
    assert find_credentials(Settings()).tls is False


def test_an_api_key_is_never_sent_without_tls(temporal_variables):
    temporal_variables(API_KEY="hunter2", TLS="false")
    found = find_credentials(Settings(temporal_tls=False))
    assert (found.api_key, found.tls) == ("hunter2", TLSConfig())
    assert "hunter2" not in repr(found)


def test_prunellas_own_setting_turns_tls_off(temporal_variables, authority):
    temporal_variables(TLS_SERVER_CA_CERT_PATH=authority.path)
    assert find_credentials(Settings(temporal_tls=False)).tls is False


def test_files_and_data_become_the_same(temporal_variables, authority):
    certificate, key = authority.issue("client")
    temporal_variables(TLS_SERVER_CA_CERT_DATA=authority.path.read_text(), TLS_SERVER_NAME="temporal")
    temporal_variables(TLS_CLIENT_CERT_PATH=certificate, TLS_CLIENT_KEY_PATH=key)
    expected = TLSConfig(authority.path.read_bytes(), "temporal", certificate.read_bytes(), key.read_bytes())
    found = find_credentials(Settings())
    assert found.tls == expected
    assert "PRIVATE" not in repr(found)


def test_a_certificate_wants_its_key(temporal_variables, authority):
    certificate, key = authority.issue("client")
    temporal_variables(TLS_CLIENT_CERT_PATH=certificate)
    with pytest.raises(TlsFileError, match=r"set TEMPORAL_TLS_CLIENT_KEY_PATH .*too"):
        find_credentials(Settings())
    _, other = authority.issue("other")
    temporal_variables(TLS_CLIENT_KEY_PATH=other)
    with pytest.raises(TlsFileError, match=rf"{other}: it is not the key of the certificate in .*{certificate}"):
        find_credentials(Settings())
    temporal_variables(TLS_CLIENT_KEY_PATH=key)
    assert find_credentials(Settings()).tls


@pytest.mark.parametrize(
    "content", [b"", b"hunter2", b"-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----"]
)
@pytest.mark.parametrize("name", ["SERVER_CA_CERT", "CLIENT_CERT", "CLIENT_KEY"])
def test_what_is_no_certificate_or_key_is_named_and_not_quoted(temporal_variables, authority, tmp_path, name, content):
    certificate, key = authority.issue("client")
    temporal_variables(TLS_CLIENT_CERT_PATH=certificate, TLS_CLIENT_KEY_PATH=key)
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(content)
    temporal_variables(**{f"TLS_{name}_PATH": wrong})
    with pytest.raises(TlsFileError) as refused:
        find_credentials(Settings())
    assert f"TEMPORAL_TLS_{name}_PATH" in str(refused.value)
    assert str(wrong) in str(refused.value)
    assert "hunter2" not in str(refused.value)
