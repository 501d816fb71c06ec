"""Settings: sources, validation and error messages."""

import pytest
from pydantic import ValidationError

from prunella_operator.config.environment import UnknownSetting, check_variables, find_sources, variable
from prunella_operator.config.settings import Settings

FIELDS = tuple(Settings.model_fields)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in FIELDS:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def test_later_wins_default_variable_flag(monkeypatch):
    assert Settings.load({}).http_port == 8080
    monkeypatch.setenv("PRUNELLA_HTTP_PORT", "9090")
    assert Settings.load({}).http_port == 9090
    assert Settings.load({"http_port": 9091}).http_port == 9091


def test_flags_that_were_not_given_do_not_count(monkeypatch):
    monkeypatch.setenv("PRUNELLA_CONTEXT", "staging")
    assert Settings.load({"context": None}).context == "staging"


@pytest.mark.parametrize(
    ("text", "names"), [("shop, billing", ("shop", "billing")), (" ,shop,", ("shop",)), ("", ())], ids=str
)
def test_namespaces_are_a_comma_list(monkeypatch, text, names):
    monkeypatch.setenv("PRUNELLA_NAMESPACES", text)
    assert Settings.load({}).namespaces == names


def test_health_is_served_to_the_kubelet_in_a_pod_and_to_this_machine_elsewhere(monkeypatch):
    assert Settings.load({}).http_host == "127.0.0.1"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert Settings.load({}).http_host == "0.0.0.0"


def test_the_database_is_kept_with_the_users_state(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert Settings.load({}).temporal_db == "/state/prunella/temporal.db"


@pytest.mark.parametrize(
    "wrong",
    [
        {"temporal_address": "nowhere"},
        {"temporal_address": "host:0x1"},
        {"temporal_address": "host:99999"},
        {"temporal_address": ":7233"},
        {"http_port": 70000},
        {"known_good_after": -1},
        {"pollers": 0},
        {"worker_tuner": "magic"},
        {"worker_target_memory": 80},
        {"log_format": "xml"},
        {"no_such_setting": 1},
    ],
    ids=str,
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValidationError):
        Settings.load(wrong)


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        Settings.load({}).http_port = 1


def test_embedded_is_an_address_of_its_own():
    settings = Settings.load({"temporal_address": "embedded", "temporal_port": 7333})
    assert settings.embedded
    assert settings.temporal_target == "127.0.0.1:7333"


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "http://127.0.0.1:8233/namespaces/default/workflows/w/r"),
        (
            {"temporal_address": "embedded", "temporal_ui_port": 9},
            "http://127.0.0.1:9/namespaces/default/workflows/w/r",
        ),
        ({"temporal_ui_url": "https://ui/"}, "https://ui/namespaces/default/workflows/w/r"),
        ({"temporal_address": "temporal:7233"}, ""),
    ],
    ids=str,
)
def test_links_to_temporals_page(values, url):
    assert Settings.load(values).workflow_url("w", "r") == url


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PRUNELLA_HTPP_PORT", "did you mean PRUNELLA_HTTP_PORT?"),
        ("PRUNELLA_TEMPORAL_ADRESS", "did you mean PRUNELLA_TEMPORAL_ADDRESS?"),
        ("PRUNELLA_XYZZY_QUUX_PLUGH", "prunella settings"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(name, meant):
    with pytest.raises(UnknownSetting) as refused:
        check_variables(FIELDS, {name: "1", "PRUNELLA_HTTP_PORT": "1", "PATH": "/bin"})
    assert name in str(refused.value)
    assert meant in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRUNELLA_SERVICE_HOST", "10.0.0.1"),
        ("PRUNELLA_OPERATOR_SERVICE_PORT_HTTP", "8080"),
        ("PRUNELLA_PORT", "tcp://10.0.0.1:8080"),
        ("PRUNELLA_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("prunella_http_port", "8080"),
    ],
)
def test_what_kubernetes_sets_for_a_service_is_no_mistake(name, value):
    check_variables(FIELDS, {name: value})


def test_sources_tell_default_variable_and_flag():
    origins = find_sources(
        FIELDS, {"context"}, {"PRUNELLA_CONTEXT": "a", "PRUNELLA_LOG_LEVEL": "debug", "PRUNELLA_POLLERS": ""}
    )
    assert (origins["context"], origins["log_level"], origins["pollers"]) == ("flag", "env", "default")


def test_every_setting_says_what_it_is():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
