"""Temporal's own configuration: what it fills, what wins over it, and what its errors say."""

import pytest

from prunella_operator.config.environment import find_sources
from prunella_operator.config.settings import Settings
from prunella_operator.config.temporal_profile import PLACES, ProfileError, load_profile, profile_settings

SECRET = "hunter2"


@pytest.fixture
def file(tmp_path):
    """A file with a default profile and another one."""
    path = tmp_path / "temporal.toml"
    path.write_text(f"""
[profile.default]
address = "default:7233"
[profile.cloud]
address = "cloud:7233"
namespace = "shop"
api_key = "{SECRET}"
""")
    return path


def test_variables_win_over_the_file_and_prunellas_settings_over_both(monkeypatch, file):
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    assert Settings.load({}).temporal_address == "default:7233"
    monkeypatch.setenv("TEMPORAL_ADDRESS", "variable:7233")
    assert Settings.load({}).temporal_address == "variable:7233"
    monkeypatch.setenv("PRUNELLA_TEMPORAL_ADDRESS", "own:7233")
    assert Settings.load({}).temporal_address == "own:7233"
    assert Settings.load({"temporal_address": "flag:7233"}).temporal_address == "flag:7233"


def test_a_profile_fills_what_is_not_set(monkeypatch, file):
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_PROFILE", "cloud")
    monkeypatch.setenv("PRUNELLA_TEMPORAL_NAMESPACE", "own")
    settings = Settings.load({})
    assert (settings.temporal_address, settings.temporal_namespace) == ("cloud:7233", "own")
    assert settings.temporal_api_key.get_secret_value() == SECRET
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "tls"),
    [
        ({}, None),
        ({"TEMPORAL_TLS": "true"}, True),
        ({"TEMPORAL_TLS": "false", "TEMPORAL_TLS_SERVER_NAME": "a"}, None),
        ({"TEMPORAL_TLS": ""}, None),
        ({"TEMPORAL_TLS_SERVER_NAME": "a"}, True),
        ({"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/a"}, True),
    ],
    ids=str,
)
def test_any_part_of_tls_enables_it(environ, tls):
    isolated = {"TEMPORAL_CONFIG_FILE": "/dev/null", **environ}
    assert profile_settings(isolated).get("temporal_tls") is tls


def test_sources_name_temporals_own_configuration(file):
    environ = {"TEMPORAL_CONFIG_FILE": str(file), "PRUNELLA_POLLERS": "3", "TEMPORAL_NAMESPACE": "shop"}
    sources = find_sources(Settings.model_fields, {"temporal_namespace"}, environ)
    names = ("temporal_address", "temporal_namespace", "pollers", "temporal_tls")
    assert [sources[name] for name in names] == ["temporal", "flag", "env", "default"]


def test_every_setting_that_a_profile_fills_has_a_place():
    everything = {"ADDRESS": "a:1", "NAMESPACE": "n", "API_KEY": SECRET, "TLS": "true", "CONFIG_FILE": "/dev/null"}
    assert set(profile_settings({f"TEMPORAL_{name}": value for name, value in everything.items()})) == set(PLACES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[profile.default]\napi_key = {SECRET}\n", "line 2, column 11"),
        (f'[profile.default]\ntls = "{SECRET}"\n', "line 2"),
        (f'[profile.other]\napi_key = "{SECRET}"\n[profile.cloud', "line 3"),
    ],
)
def test_a_broken_file_is_named_and_not_quoted(tmp_path, text, words):
    path = tmp_path / "temporal.toml"
    path.write_text(text)
    with pytest.raises(ProfileError) as refused:
        load_profile({"TEMPORAL_CONFIG_FILE": str(path)})
    assert str(path) in str(refused.value)
    assert words in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"TEMPORAL_CONFIG_FILE": "/no/such/file"}, "TEMPORAL_CONFIG_FILE names /no/such/file"),
        ({"TEMPORAL_CONFIG_FILE": "/dev/null", "TEMPORAL_PROFILE": "cloud"}, "/dev/null: Profile 'cloud' not found"),
        ({"TEMPORAL_TLS": "maybe"}, "TEMPORAL_TLS: expected true or false"),
        (
            {"TEMPORAL_TLS_CLIENT_KEY_PATH": "/a", "TEMPORAL_TLS_CLIENT_KEY_DATA": SECRET},
            "TEMPORAL_TLS_CLIENT_KEY_PATH and TEMPORAL_TLS_CLIENT_KEY_DATA",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(environ, words):
    with pytest.raises(ProfileError) as refused:
        load_profile(environ)
    assert words in str(refused.value)
    assert SECRET not in str(refused.value)
