"""The archive of the kubectl plugin runs from an empty folder, with this machine's Python and nothing else."""

import json
import platform
import subprocess
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

import pytest
from krewplugin import archive
from support.programs import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

HERE = f"{sys.platform}-{'arm64' if platform.machine() in {'aarch64', 'arm64'} else 'amd64'}"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The archive of this machine's platform."""
    return write(tmp_path_factory.mktemp("krew"))


def write(folder):
    try:
        return archive.write(folder, HERE)
    except subprocess.CalledProcessError as error:
        return missing(f"the archive cannot be built: {error.stderr.strip()[-300:]}")


@pytest.fixture
def plugin(packed, tmp_path):
    """Run the program as krew links it, where PYTHONPATH has a package that is none."""
    subprocess.run(["tar", "-xzf", packed, "-C", tmp_path], check=True)
    for name in ("bin", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "kubectl-prunella").symlink_to(tmp_path / "kubectl-prunella")
    (tmp_path / "elsewhere" / "typer.py").write_text("raise SystemExit('a package of elsewhere')")
    search = f"{tmp_path}/bin:{Path(sys.executable).parent}:/usr/bin:/bin"
    variables = {"PATH": search, "PYTHONPATH": str(tmp_path / "elsewhere"), "HOME": str(tmp_path), "COLUMNS": "200"}
    options = {"env": variables, "cwd": tmp_path / "elsewhere", "capture_output": True, "text": True, "timeout": 60}
    return lambda *words: subprocess.run(["/usr/bin/env", "kubectl-prunella", *words], check=False, **options)


def test_the_program_needs_no_package_of_the_machine(plugin):
    assert plugin("--version").stdout == f"prunella {archive.version()}\n"
    assert " approve " in plugin("incidents", "--help").stdout
    assert "pod_oom_killed" in plugin("playbooks").stdout
    assert "kind: CustomResourceDefinition" in plugin("crds").stdout


def test_it_asks_the_cluster_of_the_kubeconfig(plugin, tmp_path):
    context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    user = {"name": "u", "user": {"token": "t"}}
    body = {"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"}
    (tmp_path / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **body}))
    done = plugin("incidents", "list", "--kubeconfig", str(tmp_path / "kubeconfig"))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("error: ")


def test_each_python_has_the_same_extensions(packed):
    found = defaultdict(set)
    for name in names(packed):
        module, _, tag = name.removesuffix(".so").partition(".cpython-")
        if tag:
            found[tag.partition("-")[0]].add(module)
    assert sorted(found) == [python.replace(".", "") for python in archive.PYTHONS]
    assert len({frozenset(modules) for modules in found.values()}) == 1


def test_the_licences_are_there(packed):
    assert {"LICENSE", "NOTICE", "kubectl-prunella"} == {name for name in names(packed) if "/" not in name}


def test_two_builds_are_the_same_bytes(packed, tmp_path):
    assert write(tmp_path).read_bytes() == packed.read_bytes()


def names(packed):
    with tarfile.open(packed) as content:
        return content.getnames()
