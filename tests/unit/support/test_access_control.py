"""The manifests' accounts and policies under names of a test's own."""

from pathlib import Path

import yaml
from support.access_control import HOME, shipped

OWN = "prunella-shipped-1"
ROOT = Path(__file__).parents[3]


def test_nothing_of_an_installation_is_named():
    objects = shipped(OWN)
    assert HOME not in yaml.safe_dump_all(objects)
    assert all(OWN in (obj["metadata"].get("namespace") or obj["metadata"]["name"]) for obj in objects)


def test_every_reference_leads_to_one_of_them():
    objects = shipped(OWN)
    names = {(obj["kind"], obj["metadata"]["name"]) for obj in objects}
    for obj in objects:
        if "roleRef" in obj:
            assert ("ClusterRole", obj["roleRef"]["name"]) in names
            assert {("ServiceAccount", one["name"]) for one in obj["subjects"]} <= names
        if "policyName" in obj.get("spec", {}):
            assert ("ValidatingAdmissionPolicy", obj["spec"]["policyName"]) in names


def test_all_policies_and_roles_are_there():
    kinds = [obj["kind"] for obj in shipped(OWN)]
    texts = (ROOT / "manifests" / "admission").glob("i*.yaml")
    assert kinds.count("ValidatingAdmissionPolicy") == sum(
        text.read_text().count("kind: ValidatingAdmissionPolicy\n") for text in texts
    )
    assert {"prunella-repair", "prunella-snapshots"} <= {
        obj["roleRef"]["name"].removesuffix(f".{OWN}") for obj in shipped(OWN) if "roleRef" in obj
    }
