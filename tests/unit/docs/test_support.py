"""The support matrix has the versions that the tests build."""

import re
from pathlib import Path

import pytest
from localcluster import alertmanager, sources

ROOT = Path(__file__).parents[3]
GO = ROOT / "hack" / "cluster" / "go"
MATRIX = dict(re.findall(r"^\| ([^|]+) \| ([^|]*) \|", (ROOT / "docs" / "support.md").read_text(), re.MULTILINE))


KUBERNETES = re.search(
    r"^\| Kubernetes \| ([^|]*) \| ([^|]*) \|", (ROOT / "docs" / "support.md").read_text(), re.MULTILINE
)
PLAYED = re.findall(r"^\| (\d+\.\d+)\.\d+ \| ", (ROOT / "docs" / "results" / "kubernetes.md").read_text(), re.MULTILINE)


def minors(text):
    """The minor versions that a text names."""
    return re.findall(r"\d\.\d\d", text)


def built(folder, module):
    """Major and minor version of a module that a folder's go.mod names."""
    found = re.search(rf"^\s*{re.escape(module)} v(\d+)\.(\d+)", (GO / folder / "go.mod").read_text(), re.MULTILINE)
    return found.groups()


@pytest.mark.parametrize(
    ("part", "folder", "module"),
    [
        ("Kubernetes", "kubernetes", "k8s.io/kubernetes"),
        ("Helm", "helm", "helm.sh/helm/v4"),
        ("Temporal server", "temporal", "go.temporal.io/server"),
        ("KEDA", "keda", "github.com/kedacore/keda/v2"),
        ("prometheus-adapter", "prometheus-adapter", "sigs.k8s.io/prometheus-adapter"),
    ],
)
def test_a_part_is_tried_in_the_version_that_is_built(part, folder, module):
    assert re.match(r"[\d.]+", MATRIX[part])[0] == ".".join(built(folder, module))


def test_every_version_of_kubernetes_that_can_be_built_is_tried_or_marked_as_untried():
    assert sorted(minors(KUBERNETES[1]) + minors(KUBERNETES[2])) == list(sources.kubernetes_versions())


def test_the_versions_of_kubernetes_that_are_tried_are_those_with_results():
    assert sorted(minors(KUBERNETES[1])) == sorted(PLAYED)


def test_prometheus_is_tried_in_the_version_that_is_built():
    _, minor = built("prometheus", "github.com/prometheus/prometheus")  # v0.313 is the module of 3.13
    assert MATRIX["Prometheus"] == f"3.{minor[1:]}"


def test_alertmanager_is_tried_in_the_version_of_debian():
    """It is not built: go.mod of Prometheus names a module of which only parts are used."""
    assert alertmanager.PACKAGE == "prometheus-alertmanager"
    assert MATRIX["Alertmanager"] == "0.25 (Debian 12)"
