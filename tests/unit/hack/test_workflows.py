"""The workflows for GitHub: two linters find nothing, actions are pinned, and what is released is the tag's version."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from localcluster import build
from support.programs import missing, program

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
BODIES = {path.stem: yaml.safe_load(path.read_text()) for path in WORKFLOWS}
JOBS = [pytest.param(job, id=f"{name}-{key}") for name, body in BODIES.items() for key, job in body["jobs"].items()]
USES = sorted({line for path in WORKFLOWS for line in re.findall(r"uses: (.*)", path.read_text())})
notes = runpy.run_path(str(ROOT / "hack" / "release" / "__main__.py"))["notes"]


def zizmor():
    """The linter for security, of the version that .github/zizmor.txt names: from PyPI, and kept beside the others."""
    lock = ROOT / ".github" / "zizmor.txt"
    folder = build.cache_folder() / re.search(r"^(zizmor)==(\S+)", lock.read_text(), re.MULTILINE).expand(r"\1-\2")
    if not (folder / "bin" / "zizmor").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        line = [*pip, "--require-hashes", "--target", str(folder), "--requirement", str(lock)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            missing(f"zizmor cannot be installed: {done.stderr.strip()[-300:]}")
    return folder / "bin" / "zizmor"


@pytest.mark.timeout(600)
def test_zizmor_finds_no_weakness():
    line = [str(zizmor()), "--offline", "--no-progress", *map(str, WORKFLOWS)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_actionlint_finds_no_mistake():
    alike_everywhere = ("-shellcheck=", "-pyflakes=")
    line = [str(program("actionlint")), *alike_everywhere, *map(str, WORKFLOWS)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("action", USES)
def test_an_action_is_pinned_to_a_commit_and_names_its_version(action):
    assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_workflow_has_no_permissions_of_its_own(body):
    assert body["permissions"] == {}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_the_permissions_it_names_and_a_time_limit(job):
    assert job["permissions"]
    assert job["timeout-minutes"] <= 120


def test_only_a_release_writes_and_only_trusted_publishing_reaches_pypi():
    written = {(name, key, scope) for name, key, scope in permissions() if name != "release"}
    assert written == set()
    pypi = BODIES["release"]["jobs"]["pypi"]
    assert pypi["environment"] == "pypi"
    assert pypi["permissions"] == {"id-token": "write"}
    secrets = set(re.findall(r"secrets\.(\w+)", (ROOT / ".github" / "workflows" / "release.yaml").read_text()))
    assert secrets == {"GITHUB_TOKEN"}


def test_nothing_of_a_cache_reaches_a_release_and_no_record_of_a_build_is_among_its_downloads():
    image = BODIES["release"]["jobs"]["image"]
    given = {step["uses"].partition("@")[0]: step.get("with", {}) for step in image["steps"] if "uses" in step}
    assert given["docker/setup-qemu-action"]["cache-image"] is False
    assert given["docker/setup-buildx-action"]["cache-binary"] is False
    assert image["env"]["DOCKER_BUILD_RECORD_UPLOAD"] == "false"


@pytest.mark.parametrize("job", JOBS)
def test_programs_of_the_repository_run_where_nothing_can_be_written(job):
    commands = " ".join(step.get("run", "") for step in job["steps"])
    if re.search(r"\b(make|pip|python3?) ", commands):
        assert job["permissions"] == {"contents": "read"}


def permissions():
    for name, body in BODIES.items():
        for key, job in body["jobs"].items():
            yield from ((name, key, scope) for scope, right in job["permissions"].items() if right == "write")


def test_make_targets_and_files_of_the_workflows_are_there():
    text = "".join(path.read_text() for path in WORKFLOWS)
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"run: make ([a-z]+)", text)) <= targets
    for file in ("hack/cluster/go/helm/go.mod", ".ci/run", "hack/release", "requirements-telemetry.lock"):
        assert file in text
        assert (ROOT / file).exists()


def project(folder, version="1.2.3", changes="## Unreleased\n\n- a\n\n## 1.2.3\n\n- b\n\n## 1.2.2\n\n- c\n"):
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (folder / "CHANGELOG.md").write_text(changes)
    return folder


def test_the_notes_of_a_release_are_its_part_of_the_changelog(tmp_path):
    assert notes("v1.2.3", project(tmp_path)) == "- b\n"


@pytest.mark.parametrize(
    ("tag", "version", "error"),
    [
        ("v1.2.4", "1.2.3", "the tag is v1.2.4"),
        ("v1.2", "1.2", "no section for 1.2"),
        ("v2.0.0", "2.0.0", "no section"),
    ],
)
def test_a_tag_without_its_version_or_its_changes_is_refused(tag, version, error, tmp_path):
    with pytest.raises(ValueError, match=error):
        notes(tag, project(tmp_path, version))
