"""The Kubernetes version of a local cluster: which ones there are, how they are pinned, and what a choice changes."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from localcluster import build, controlplane, node, own, sources
from localcluster import instance as instances
from localcluster.choose import Choice, Kind
from localcluster.cli import main
from localcluster.console import ClusterError
from localcluster.instance import Instance
from support.cluster import ClusterManager

ROOT = Path(__file__).parents[3]
USUAL = "1.34"
OTHERS = ("1.32", "1.33", "1.35", "1.36", "1.37")
NUMBERS = ", ".join(sorted((USUAL, *OTHERS)))


pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def made():
    """A cluster of the oldest version."""
    return instances.create("old", [], simulated=False, audit=True, nodes=1, kubernetes="1.32")


def modules(minor):
    """The modules that Kubernetes and its parts are replaced by, with their versions."""
    text = (sources.kubernetes(minor).folder / "go.mod").read_text()
    return re.findall(r"=> (\S+) (v\S+)", text) + re.findall(r"\t(k8s\.io/kubernetes) (v\S+)", text)


# --- which ones there are


def test_without_a_choice_it_is_the_usual_version():
    assert sources.kubernetes() == sources.kubernetes(USUAL) == sources.KUBERNETES


@pytest.mark.parametrize("minor", OTHERS)
def test_a_version_has_a_module_whose_folder_says_so(minor):
    group = sources.kubernetes(minor)

    assert group.folder.name == f"kubernetes-{minor}"
    assert group.version.startswith(f"v{minor}.")
    assert f"gitVersion={group.version} " in group.ldflags()


@pytest.mark.parametrize("minor", ["1.31", "1.38", "1.3", "v1.36", "1.36.3", "latest"])
def test_a_version_that_cannot_be_had_is_an_error_with_those_that_can(minor):
    with pytest.raises(ClusterError, match=f"there is no Kubernetes {re.escape(minor)} here: choose one of {NUMBERS}$"):
        sources.kubernetes(minor)


# --- how they are pinned


@pytest.mark.parametrize("minor", [USUAL, *OTHERS])
def test_every_part_of_a_version_is_pinned_by_its_checksum(minor):
    sums = (sources.kubernetes(minor).folder / "go.sum").read_text()
    used = [pair for pair in modules(minor) if f"{pair[0]} " in sums]

    assert len(used) > 25
    for name, version in used:
        assert re.search(rf"^{re.escape(name)} {re.escape(version)} h1:\S+=$", sums, re.MULTILINE), name


@pytest.mark.parametrize("minor", [USUAL, *OTHERS])
def test_all_parts_are_of_the_same_minor_version(minor):
    assert {version.split(".")[1] for _, version in modules(minor)} == {minor.partition(".")[2]}


def test_each_version_has_a_place_of_its_own_in_the_cache():
    assert len({sources.kubernetes(minor).key() for minor in (USUAL, *OTHERS)}) == 6


def test_another_version_builds_kubernetes_and_nothing_else_again():
    usual, other = sources.wanted(simulated=False), sources.wanted(simulated=False, minor="1.36")

    assert [program for _, program in usual] == [program for _, program in other]
    assert {group.name for group, _ in set(other) - set(usual)} == {"kubernetes"}


# --- what a choice changes


def test_a_cluster_runs_the_programs_of_its_version(made):
    folder = build.folder(sources.kubernetes("1.32"))
    parts = {part.name: Path(part.command[0]).parent for part in own.components(made)}

    assert {name for name, place in parts.items() if place == folder} == {
        program.name for program in sources.KUBERNETES.programs
    } - {"kubectl"}
    assert parts["etcd"] == build.folder(sources.ETCD)
    assert build.binary("kubectl", minor=made.kubernetes).parent == folder


def test_the_choice_is_remembered(made):
    assert instances.load("old") == made
    assert made.kubernetes == "1.32"


def test_a_cluster_from_before_the_choice_has_the_usual_version():
    usual = Instance("usual", 1)

    for part in (controlplane.api_server(usual), node.kubelet(usual)):
        assert Path(part.command[0]).parent == build.folder(sources.KUBERNETES)


def test_the_kubelet_gets_no_flag_that_its_version_lacks(made):
    flag = f"--containerd={made.containerd_socket}"

    assert flag in node.kubelet(made).command
    assert flag not in node.kubelet(replace(made, kubernetes="1.37")).command


def test_a_cluster_keeps_its_version(made):
    with pytest.raises(ClusterError, match=r"`old` is a cluster of Kubernetes v1\.32\.\d+: choose another --name"):
        own.up("old", simulate=False, audit=True, nodes=1, kubernetes="1.36")


def test_the_shell_gets_the_kubectl_of_the_cluster(made, capsys):
    assert main(["env", "--name", "old"]) == 0

    assert str(build.folder(sources.kubernetes("1.32"))) in capsys.readouterr().out


@pytest.mark.parametrize("command", [["up"], ["build"]])
def test_a_wrong_version_is_named_before_anything_is_done(command, capsys):
    assert main([*command, "--kubernetes", "1.29"]) == 1

    assert f"error: there is no Kubernetes 1.29 here: choose one of {NUMBERS}" in capsys.readouterr().err
    assert not build.cache_folder().exists()


def test_a_version_is_only_for_a_cluster_of_our_own(monkeypatch, capsys):
    monkeypatch.setattr("localcluster.commands.gather", lambda *_, **__: None)
    monkeypatch.setattr("localcluster.commands.choose", lambda _: Choice(Kind.KIND, "a test"))

    assert main(["up", "--kubernetes", "1.36"]) == 1

    assert "only a cluster of our own can have a version of choice; this one is kind" in capsys.readouterr().err


# --- the tests' own cluster


def test_the_tests_say_at_once_that_a_version_cannot_be_had(monkeypatch):
    monkeypatch.setenv("PRUNELLA_TEST_KUBERNETES", "1.29")

    with pytest.raises(ClusterError, match=f"choose one of {NUMBERS}"):
        ClusterManager(print)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], '-m "e2e and not faults and not chaos and not core"'),
        (["KUBERNETES=1.36"], "PRUNELLA_TEST_KUBERNETES='1.36' .venv/bin/python -m pytest -q -m core tests/e2e"),
    ],
)
def test_make_e2e_plays_the_core_when_a_version_is_named(arguments, wanted):
    line = ["make", "--no-print-directory", "-n", "e2e", *arguments]
    printed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert wanted in printed
    assert ("PRUNELLA_TEST_KUBERNETES" in printed) == bool(arguments)
