"""The distribution prunella-client works with its own pinned packages and nothing else."""

import json
import os
import subprocess
import sys
import tomllib
import venv

import pytest
import yaml
from support.cluster import ROOT
from support.programs import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
COMMANDS = ("list", "show", "postmortem", "watch", "approve", "reject", "ack", "cancel", "suspend", "resume")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The programs of a fresh environment with the wheel and the packages of its lock file."""
    folder = tmp_path_factory.mktemp("client")
    wheel = build(folder)
    venv.create(folder / "venv", with_pip=False)
    install = (*PIP, "--python", str(folder / "venv"), "install", "--quiet")
    done = run(*install, "--require-hashes", "--only-binary=:all:", "-r", str(ROOT / "requirements-client.lock"))
    if done.returncode:
        missing(f"the packages cannot be had: {done.stderr.strip()[-300:]}")
    assert not run(*install, "--no-deps", str(wheel)).returncode
    return folder / "venv" / "bin"


def build(folder):
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT / "client")
    assert not done.returncode, done.stderr
    (wheel,) = folder.glob("prunella_client-*.whl")
    return wheel


def run(*line, **options):
    return subprocess.run(line, capture_output=True, text=True, timeout=600, check=False, **options)


@pytest.fixture
def prunella(environment, tmp_path):
    """Run a program of the environment for a cluster that is away."""
    user = {"name": "u", "user": {"token": "t"}}
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}
    body = {"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"}
    (tmp_path / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **body}))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PRUNELLA", "PYTHON"))}
    variables = {**clean, "KUBECONFIG": str(tmp_path / "kubeconfig"), "COLUMNS": "200", "HOME": str(tmp_path)}
    return lambda *words, name="prunella": run(str(environment / name), *words, env=variables, cwd=tmp_path)


def version():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_version_is_prunellas(prunella):
    assert prunella("--version").stdout == f"prunella {version()}\n"
    assert prunella("--version", name="kubectl-prunella").stdout == f"prunella {version()}\n"


def test_the_commands_are_those_that_need_the_api_server_alone(prunella):
    said = prunella("incidents", "--help").stdout
    assert all(f" {command} " in said for command in COMMANDS)
    assert " export " not in said
    assert prunella("worker").returncode == 2


def test_what_needs_no_cluster_is_printed(prunella):
    assert "pod_oom_killed" in prunella("playbooks").stdout
    definitions = [one["spec"]["names"]["kind"] for one in yaml.safe_load_all(prunella("crds").stdout)]
    assert "Incident" in definitions
    assert "kind: RoleBinding" in prunella("rbac", "shop").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("incidents", "list"),
        ("incidents", "show", "a"),
        ("incidents", "postmortem", "a"),
        ("incidents", "watch"),
        ("incidents", "approve", "a"),
    ],
    ids=lambda words: words[1],
)
def test_a_cluster_that_is_away_is_an_error_of_one_line(words, prunella):
    done = prunella(*words)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["incidents.index", "presentation.postmortem", "cli.listings"])
def test_what_commands_import_late_is_there(module, environment):
    done = run(str(environment / "python"), "-I", "-c", f"import prunella_operator.{module}")
    assert not done.returncode, done.stderr


def test_words_are_completed(prunella):
    assert prunella("incidents", "wa", name="kubectl_complete-prunella").stdout.split()[0] == "watch"
