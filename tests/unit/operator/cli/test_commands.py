"""The other commands: flags, settings, exit codes and output."""

import json
from importlib.metadata import version

import pytest
import yaml

from prunella_operator.cli.listings import print_settings
from prunella_operator.cli.options import ExitCode
from prunella_operator.cli.output import ListFormat
from prunella_operator.config.settings import Settings
from prunella_workflows.model.errors import Conflict, Forbidden, NotFound, Unavailable


@pytest.mark.parametrize(
    ("command", "operator", "worker"), [("operator", True, False), ("worker", False, True), ("run", True, True)]
)
def test_long_running_commands_get_settings_and_pass_on_the_exit_code(prunella, command, operator, worker):
    prunella.code = 1
    result = prunella(command, "--temporal-address", "temporal:7233", "--http-port", "9", "--set", "pollers=2")
    assert result.exit_code == 1
    settings, *parts = prunella.runs[0]
    assert parts == [operator, worker, command == "run"]
    assert (settings.temporal_address, settings.http_port, settings.pollers) == ("temporal:7233", 9, 2)


def test_run_embeds_temporal_by_default(prunella, monkeypatch):
    prunella("run")
    prunella("run", "--temporal", "embedded")
    prunella("run", "--temporal", "t:1")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "e:1")
    prunella("run")
    monkeypatch.setenv("PRUNELLA_TEMPORAL_ADDRESS", "e:2")
    prunella("run")
    prunella("run", "--temporal", "embedded")
    addresses = [settings.temporal_address for settings, *_ in prunella.runs]
    assert addresses == ["embedded", "embedded", "t:1", "e:1", "e:2", "embedded"]


def test_run_serves_the_console_too_unless_it_has_no_port(prunella):
    prunella("run")
    prunella("run", "--set", "console_port=0")
    prunella("console")
    parts = [parts for _, *parts in prunella.runs]
    assert parts == [[True, True, True], [True, True, False], [False, False, True]]
    assert prunella("console", "--set", "console_port=0").exit_code == 2


def test_the_codec_server_is_a_process_of_its_own(prunella):
    prunella("codec-server", "--payload-key-file", "keys", "--codec-origins", "https://a,https://b", "--codec-encode")
    settings, *parts = prunella.runs[0]
    assert (parts, prunella.codec_server) == ([False, False, False], True)
    assert (settings.payload_key_file, settings.codec_encode) == ("keys", True)
    assert settings.codec_origins == ("https://a", "https://b")


@pytest.mark.parametrize("command", ["operator", "worker"])
def test_only_run_embeds(prunella, command):
    result = prunella(command, "--temporal-address", "embedded")
    assert result.exit_code == 2
    assert "prunella run" in result.stderr
    assert prunella.runs == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "--set", "nonsense=1"], "--set nonsense=1"),
        (["run", "--set", "pollers"], "NAME=VALUE"),
        (["run", "--set", "pollers=many"], "flag for pollers"),
        (["run", "--temporal", "nowhere"], "HOST:PORT"),
        (["nonsense"], "nonsense"),
        (["incidents", "show"], "NAME"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2_and_a_message(prunella, arguments, text):
    result = prunella(*arguments)
    assert result.exit_code == 2
    assert text in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("PRUNELLA_HTPP_PORT", "1", "PRUNELLA_HTTP_PORT"),
        ("PRUNELLA_POLLERS", "x", "PRUNELLA_POLLERS"),
        ("TEMPORAL_ADDRESS", "nowhere", "TEMPORAL_ADDRESS"),
        ("TEMPORAL_CONFIG_FILE", "/no/such/file", "/no/such/file"),
    ],
)
def test_wrong_variables_are_named(prunella, monkeypatch, name, value, text):
    monkeypatch.setenv(name, value)
    result = prunella("run")
    assert result.exit_code == 2
    assert text in result.stderr


def test_settings_show_value_source_and_reason(prunella, monkeypatch):
    monkeypatch.setenv("PRUNELLA_POLLERS", "7")
    result = prunella("settings", "--context", "c", "-o", "json")
    printed = json.loads(result.stdout)
    assert (printed["apiVersion"], printed["kind"]) == ("output.prunella.dev/v1alpha1", "SettingList")
    rows = {row["name"]: row for row in printed["items"]}
    assert (rows["pollers"]["value"], rows["pollers"]["source"]) == (7, "env")
    assert (rows["context"]["value"], rows["context"]["source"]) == ("c", "flag")
    assert rows["log_level"]["source"] == "default"
    assert set(rows) == set(Settings.model_fields)
    assert "kube-system, kube-public" in prunella("settings").stdout
    assert "VARIABLE" not in prunella("settings").stdout
    assert "PRUNELLA_POLLERS" in prunella("settings", "-o", "wide").stdout


def test_settings_hide_secrets(capsys):
    for output in (*ListFormat, None):
        print_settings(Settings.load({"temporal_api_key": "hunter2", "context": "password=hunter2"}), {}, output)
    printed = capsys.readouterr().out
    assert "hunter2" not in printed
    assert "(hidden)" in printed


def test_playbooks_are_printed_in_order(prunella):
    printed = prunella("playbooks").stdout
    assert printed.index("pod_oom_killed") < printed.index("bad_release") < printed.index("unknown")
    rows = yaml.safe_load(prunella("playbooks", "-o", "yaml").stdout)["items"]
    assert all(row["steps"] for row in rows)
    assert prunella("playbooks", "-o", "name").stdout.splitlines() == [row["cause"] for row in rows]


def test_crds_are_what_kubectl_takes(prunella):
    names = {crd["metadata"]["name"] for crd in yaml.safe_load_all(prunella("crds").stdout)}
    assert names == {
        "incidents.prunella.dev",
        "healingpolicies.prunella.dev",
        "clusterhealingpolicies.prunella.dev",
    }


def test_version(prunella):
    result = prunella("--version")
    assert (result.exit_code, result.stdout) == (0, f"prunella {version('prunella')}\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [(NotFound("no"), 1), (Forbidden("no"), 1), (Unavailable("away"), 4), (Conflict("it changed"), 4)],
    ids=lambda value: type(value).__name__,
)
def test_the_exit_code_says_whether_to_try_again(prunella, error, code):
    def fail(*_):
        raise error

    prunella.reader.find = fail
    result = prunella("incidents", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"error: {error}\n")


def test_a_doctor_that_finds_a_fault_says_no(prunella):
    assert prunella("doctor", "--kubeconfig", "/nowhere").exit_code == ExitCode.NO


@pytest.mark.parametrize(
    "command",
    [
        *("operator", "worker", "run", "doctor", "settings", "crds"),
        *(f"incidents {name}" for name in ("list", "show", "watch", "approve", "reject", "cancel", "suspend")),
    ],
)
def test_help_teaches_by_example(prunella, command):
    result = prunella(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example:" in result.stdout
