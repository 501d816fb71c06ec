"""Finding the API server: kubeconfig, pod, or a clear error about what is missing."""

import base64
import os
import ssl
from pathlib import Path

import pytest
import yaml

from prunella_operator.kubernetes.access import Access, NoAccess, load_access
from prunella_workflows.model.errors import Unavailable


def kubeconfig(tmp_path, user, name="config", server="https://one.example:6443", **cluster):
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [
            {"name": "one", "cluster": {"server": server, **cluster}},
            {"name": "two", "cluster": {"server": "http://127.0.0.1:8001/"}},
        ],
        "users": [{"name": "me", "user": user}],
        "contexts": [
            {"name": "one", "context": {"cluster": "one", "user": "me", "namespace": "shop"}},
            {"name": "two", "context": {"cluster": "two", "user": "me"}},
        ],
    }
    file = tmp_path / name
    file.write_text(yaml.safe_dump(body))
    return str(file)


def test_a_kubeconfig_with_a_token(tmp_path):
    found = load_access(kubeconfig(tmp_path, {"token": "abc"}, **{"insecure-skip-tls-verify": True}), environ={})

    assert (found.server, found.namespace, found.insecure) == ("https://one.example:6443", "shop", True)
    assert found.headers() == {"Authorization": "Bearer abc"}
    assert found.credentials() == ("Bearer", "abc")
    assert found.ssl_context().verify_mode == ssl.CERT_NONE
    assert "abc" not in repr(found)


def test_another_context(tmp_path):
    found = load_access(kubeconfig(tmp_path, {"token": "abc"}), "two", environ={})

    assert (found.server, found.namespace) == ("http://127.0.0.1:8001", "default")
    assert found.ssl_context() is None
    assert found.options()["ssl"] is True


def test_a_token_file_is_read_at_every_call_and_found_beside_the_kubeconfig(tmp_path):
    (tmp_path / "token").write_text("first\n")
    found = load_access(kubeconfig(tmp_path, {"tokenFile": "token"}), environ={})
    before = found.headers()
    (tmp_path / "token").write_text("second\n")

    assert (before, found.headers()) == ({"Authorization": "Bearer first"}, {"Authorization": "Bearer second"})


def test_a_token_file_that_went_missing_is_worth_another_try(tmp_path):
    (tmp_path / "token").write_text("first")
    found = load_access(kubeconfig(tmp_path, {"tokenFile": "token"}), environ={})
    (tmp_path / "token").unlink()

    with pytest.raises(Unavailable, match="credentials"):
        found.headers()


def test_basic_authentication(tmp_path):
    found = load_access(kubeconfig(tmp_path, {"username": "me", "password": "pw"}), environ={})

    assert found.credentials() == ("Basic", base64.b64encode(b"me:pw").decode())


def test_a_client_certificate_needs_no_header(tmp_path):
    data = base64.b64encode(b"nonsense").decode()
    user = {"client-certificate-data": data, "client-key-data": data}
    found = load_access(kubeconfig(tmp_path, user), environ={})

    assert (found.headers(), found.credentials()) == ({}, None)
    assert Path(found.cert_path).read_bytes() == b"nonsense"
    with pytest.raises(Unavailable, match="TLS files"):
        found.ssl_context()


def test_kubeconfig_of_the_environment_and_its_later_files(tmp_path):
    paths = os.pathsep.join([str(tmp_path / "missing"), kubeconfig(tmp_path, {"token": "abc"})])

    assert load_access(environ={"KUBECONFIG": paths}).server == "https://one.example:6443"


def test_the_service_account_of_a_pod(tmp_path):
    for name, text in (("token", "abc"), ("namespace", "prunella\n"), ("ca.crt", "pem")):
        (tmp_path / name).write_text(text)
    environ = {
        "KUBECONFIG": str(tmp_path / "none"),
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
    }
    found = load_access(environ=environ, account=tmp_path)
    (tmp_path / "token").write_text("rotated")

    assert (found.server, found.namespace, found.ca_path) == (
        "https://10.0.0.1:443",
        "prunella",
        str(tmp_path / "ca.crt"),
    )
    assert found.headers() == {"Authorization": "Bearer rotated"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "empty", id="an empty file"),
        pytest.param("[1, 2]", "cannot use", id="a file of another shape"),
        pytest.param("{not: [yaml", "cannot use", id="a file that is no YAML"),
        pytest.param("clusters: []", "current-context", id="no current context"),
        pytest.param("current-context: one\ncontexts: []", "no context named 'one'", id="an unknown context"),
    ],
)
def test_a_kubeconfig_that_makes_no_sense(tmp_path, content, message):
    (tmp_path / "config").write_text(content)

    with pytest.raises(NoAccess, match=message):
        load_access(str(tmp_path / "config"), environ={})


def test_nothing_configured_says_what_to_do(tmp_path):
    with pytest.raises(NoAccess, match="Give --kubeconfig"):
        load_access(environ={"KUBECONFIG": str(tmp_path / "none")})


def test_a_kubeconfig_asked_for_by_name_is_never_replaced_by_the_pods_account(tmp_path):
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}

    with pytest.raises(NoAccess, match="no file"):
        load_access(str(tmp_path / "none"), environ=environ)


def test_a_proxy_and_a_server_name_reach_the_request():
    options = Access("http://x", proxy="http://proxy:3128", tls_server_name="api").options()

    assert (options["proxy"], options["server_hostname"]) == ("http://proxy:3128", "api")
