"""Kustomizations as they render, without a cluster: images, namespaces, and those outside of this repository."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.cluster import ROOT
from support.documented_commands import pages
from support.pods import Manifests

pytestmark = pytest.mark.integration

OVERLAYS = ROOT / "manifests" / "overlays"


def images(manifests):
    found = manifests.of("Deployment").values()
    return {each["image"] for obj in found for each in obj["spec"]["template"]["spec"]["containers"]}


@pytest.fixture
def copied(tmp_path):
    """The manifests beside a folder of one's own, as in a checkout."""
    for part in ("manifests", "crds"):
        shutil.copytree(ROOT / part, tmp_path / "prunella" / part)
    (tmp_path / "mine").mkdir()
    return tmp_path


def write(folder, body):
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))
    return Manifests(folder)


@pytest.mark.parametrize("overlay", ["production", "quickstart"])
def test_an_image_that_is_set_in_an_overlay_is_the_image_of_all_its_pods(copied, overlay):
    folder = copied / "prunella" / "manifests" / "overlays" / overlay
    body = yaml.safe_load((folder / "kustomization.yaml").read_text())
    (image,) = body["images"]
    image |= {"newName": "registry.example.org/prunella", "newTag": "9"}
    assert images(write(folder, body)) == {"registry.example.org/prunella:9"}


def test_the_telemetry_workers_have_an_image_of_their_own_to_set(copied):
    manifests = "../prunella/manifests"
    names = {"prunella": "mine", "prunella-telemetry": "mine-telemetry"}
    rendered = write(
        copied / "mine",
        {
            "resources": [f"{manifests}/overlays/production"],
            "components": [f"{manifests}/components/telemetry"],
            "images": [{"name": f"prunella.local/{name}", "newName": new} for name, new in names.items()],
        },
    )
    assert images(rendered) == {"mine:0.1.0", "mine-telemetry:0.1.0"}
    for name in ("prunella-telemetry", "prunella-worker", "prunella-console"):
        assert rendered.container("Deployment", name)["image"] == "mine-telemetry:0.1.0"


def test_the_kustomization_of_the_documentation_renders_beside_a_checkout(copied):
    blocks = list(pages.blocks(ROOT / "docs" / "install.md"))
    (text,) = [block.text for block in blocks if block.section == "Your own kustomization" and block.language == "text"]
    rendered = write(copied / "mine", yaml.safe_load(text))
    assert images(rendered) == {"registry.example.org/prunella:0.1.0"}
    (settings,) = [obj["data"] for obj in rendered.of("ConfigMap").values()]
    assert settings["PRUNELLA_TEMPORAL_ADDRESS"] == "temporal.example.org:7233"
    assert settings["PRUNELLA_LOG_FORMAT"] == "json"


def test_an_overlay_is_a_remote_resource_too(copied):
    checkout = copied / "prunella"
    for command in ("init", "add .", "-c user.name=a -c user.email=a@example.org commit --message manifests"):
        subprocess.run(["git", *command.split()], cwd=checkout, check=True, capture_output=True)
    remote = f"file://{checkout}//manifests/overlays/production?ref=HEAD"
    rendered = write(copied / "mine", {"resources": [remote]})
    assert rendered.objects == Manifests(OVERLAYS / "production").objects


@pytest.mark.parametrize("overlay", sorted(OVERLAYS.iterdir()), ids=lambda path: path.name)
def test_only_what_belongs_to_a_namespace_has_one(overlay: Path):
    cluster_wide = {"Namespace", "PriorityClass", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
    cluster_wide |= {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    own = {("Role", "prunella-records"), ("RoleBinding", "prunella-records")}  # of the records' namespace
    for obj in Manifests(overlay).objects:
        home = "prunella-records" if (obj["kind"], obj["metadata"]["name"]) in own else "prunella-system"
        expected = None if obj["kind"] in cluster_wide else home
        assert obj["metadata"].get("namespace") == expected, (obj["kind"], obj["metadata"]["name"])
