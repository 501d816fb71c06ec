"""The samples are what the demo and the e2e tests apply: they must be complete, small, local and do what they claim."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from prunella_operator.kubernetes.selectors import matches
from prunella_workflows.decisions.diagnosis.saturation import HIGH
from prunella_workflows.model.incident import IncidentSpec, IncidentType, Mode
from prunella_workflows.model.policy import HealingPolicySpec

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"
FILES = sorted(SAMPLES.rglob("*.yaml"))
FOLDERS = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())
BREAKS = sorted(SAMPLES.glob("*/break*.yaml"))
NAMESPACES = {"shop", "shop-observed"}
IMAGES = {"prunella.local/shop:1", "prunella.local/shop:2"}
MISSING_IMAGE = "prunella.local/shop:does-not-exist"


def name(path: Path) -> str:
    return str(path.relative_to(SAMPLES))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def of_kind(path: Path, kind: str) -> list[dict[str, Any]]:
    return [document for document in documents(path) if document["kind"] == kind]


def deployment(path: Path) -> dict[str, Any]:
    (only,) = of_kind(path, "Deployment")
    return only


def template(path: Path) -> dict[str, Any]:
    return deployment(path)["spec"]["template"]


def containers(path: Path) -> list[dict[str, Any]]:
    pods = [document["spec"]["template"]["spec"] for document in of_kind(path, "Deployment")]
    return [container for pod in pods for container in (*pod.get("initContainers", ()), *pod["containers"])]


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container.get("env", ())}


def test_the_folders_are_the_known_faults():
    assert FOLDERS == [
        "bad-release",
        "config-error",
        "dry-run",
        "first-release",
        "high-cpu",
        "image-pull",
        "init-crash",
        "observed-only",
        "oom-at-max",
        "oom-killed",
        "rollout-stuck",
        "two-bad-releases",
    ]


@pytest.mark.parametrize(
    "folder",
    [folder for folder in FOLDERS if folder not in {"dry-run", "first-release", "high-cpu", "two-bad-releases"}],
)
def test_a_sample_has_a_healthy_start_and_one_break(folder):
    files = {path.name for path in (SAMPLES / folder).iterdir()} - {"namespace.yaml"}
    assert files == {"before.yaml", "break.yaml"}


def test_samples_of_another_shape():
    shapes = {folder: sorted(path.name for path in (SAMPLES / folder).iterdir()) for folder in FOLDERS}
    assert shapes["dry-run"] == ["incident.yaml"]
    assert shapes["first-release"] == ["break.yaml"]
    assert shapes["high-cpu"] == ["before.yaml", "incident.yaml", "load.yaml"]
    assert shapes["two-bad-releases"] == ["before.yaml", "break-1.yaml", "break-2.yaml"]


@pytest.mark.parametrize("path", FILES, ids=name)
class TestEveryFile:
    def test_it_begins_by_saying_what_it_is_for(self, path):
        assert re.match(r"# \S", path.read_text())

    def test_it_stays_in_the_namespaces_of_the_samples(self, path):
        for document in documents(path):
            where = (
                document["metadata"]["name"] if document["kind"] == "Namespace" else document["metadata"]["namespace"]
            )
            assert where in NAMESPACES

    def test_it_holds_only_harmless_kinds(self, path):
        kinds = {document["kind"] for document in documents(path)}
        assert kinds <= {"Namespace", "Deployment", "ConfigMap", "Service", "HealingPolicy", "Incident"}

    def test_images_are_local(self, path):
        allowed = IMAGES | ({MISSING_IMAGE} if name(path) == "image-pull/break.yaml" else set())
        assert {container["image"] for container in containers(path)} <= allowed
        assert {container["imagePullPolicy"] for container in containers(path)} <= {"IfNotPresent"}

    def test_pods_are_restricted_and_small(self, path):
        for document in of_kind(path, "Deployment"):
            security = document["spec"]["template"]["spec"]["securityContext"]
            assert security == {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        for container in containers(path):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            cpu = "100m" if name(path) == "high-cpu/before.yaml" else "10m"
            assert container["resources"] == {"requests": {"cpu": cpu, "memory": "16Mi"}, "limits": {"memory": "64Mi"}}

    def test_readiness_is_probed_quickly(self, path):
        for document in of_kind(path, "Deployment"):
            (server,) = document["spec"]["template"]["spec"]["containers"]
            probe = server["readinessProbe"]
            assert (probe["httpGet"]["path"], probe["periodSeconds"]) == ("/readyz", 1)

    def test_selectors_match_their_pods(self, path):
        for document in of_kind(path, "Deployment"):
            wanted = document["spec"]["selector"]["matchLabels"].items()
            assert wanted <= document["spec"]["template"]["metadata"]["labels"].items()

    def test_our_own_kinds_are_what_the_models_say(self, path):
        for document in of_kind(path, "HealingPolicy"):
            HealingPolicySpec.model_validate(document["spec"])
        for document in of_kind(path, "Incident"):
            IncidentSpec.model_validate(document["spec"])


def test_workloads_are_named_once():
    """Two samples of one name would overwrite each other when both are applied."""
    seen: dict[tuple[str, str, str], str] = {}
    for path in FILES:
        for document in documents(path):
            if object_name := document["metadata"].get("name"):
                key = (document["kind"], document["metadata"].get("namespace", ""), object_name)
                assert seen.setdefault(key, path.parent.name) == path.parent.name, key


@pytest.mark.parametrize("path", [path for path in BREAKS if path.parent.name != "first-release"], ids=name)
def test_a_break_changes_what_before_made_and_nothing_else(path):
    before = path.parent / "before.yaml"

    def identities(where):
        return {(document["kind"], document["metadata"]["name"]) for document in documents(where)}

    assert identities(path) <= identities(before)
    assert documents(path) != documents(before)
    assert deployment(path)["spec"]["selector"] == deployment(before)["spec"]["selector"]


@pytest.mark.parametrize("path", [path for path in BREAKS if not path.parent.name.startswith("oom-")], ids=name)
def test_a_bad_release_is_a_release(path):
    if path.parent.name == "first-release":
        return
    assert template(path) != template(path.parent / "before.yaml")
    assert template(path)["metadata"]["labels"]["app.kubernetes.io/version"] in {"2", "3"}


@pytest.mark.parametrize("path", [path for path in BREAKS if path.parent.name.startswith("oom-")], ids=name)
def test_memory_faults_are_no_releases(path):
    """Otherwise a rollback would repair them as well, and the diagnosis would not be tested."""
    before = path.parent / "before.yaml"
    assert template(path) == template(before)
    assert deployment(path)["spec"]["replicas"] > deployment(before)["spec"]["replicas"]
    needs = [int(of_kind(file, "ConfigMap")[0]["data"]["SHOP_MEMORY_MIB"]) for file in (before, path)]
    assert needs[0] < 64 < needs[1] < 128, "works with the limit, breaks it, and fits what the first raise gives"


@pytest.mark.parametrize(
    "path",
    [
        SAMPLES / "bad-release" / "break.yaml",
        SAMPLES / "two-bad-releases" / "break-1.yaml",
        SAMPLES / "first-release" / "break.yaml",
        SAMPLES / "observed-only" / "break.yaml",
        SAMPLES / "init-crash" / "break.yaml",
    ],
    ids=name,
)
def test_something_required_is_missing(path):
    first, *_ = containers(path)
    required = set(environment(first)["SHOP_REQUIRE_ENV"].split(","))
    assert len(required - environment(first).keys()) == 1


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/before.yaml")), ids=name)
def test_nothing_is_missing_before(path):
    for container in containers(path):
        required = set(filter(None, environment(container).get("SHOP_REQUIRE_ENV", "").split(",")))
        assert required <= environment(container).keys()
        assert environment(container).get("SHOP_EXIT_CODE", "0") == "0"


def test_the_second_bad_release_fails_in_its_own_way():
    """The previous revision never worked either: going back one step would not help."""
    (server,) = containers(SAMPLES / "two-bad-releases" / "break-2.yaml")
    assert environment(server)["SHOP_EXIT_CODE"] != "0"
    # A release that lived for a second would be ready for a moment, and the rollout would take the good pods away.
    assert environment(server)["SHOP_EXIT_AFTER"] == "0s"
    assert set(environment(server)["SHOP_REQUIRE_ENV"].split(",")) <= environment(server).keys()


def test_the_config_error_names_a_key_that_the_config_map_lacks():
    (config,) = of_kind(SAMPLES / "config-error" / "before.yaml", "ConfigMap")
    (server,) = containers(SAMPLES / "config-error" / "break.yaml")
    keys = {variable["configMapKeyRef"]["key"] for variable in environment(server).values()}
    assert keys - config["data"].keys() == {"tax-rate"}


def test_the_stuck_rollout_is_never_ready_and_soon_overdue():
    path = SAMPLES / "rollout-stuck" / "break.yaml"
    assert environment(containers(path)[0]) == {"SHOP_READY": "false"}
    assert deployment(path)["spec"]["progressDeadlineSeconds"] == 20


def test_at_the_maximum_the_policy_leaves_no_room():
    path = SAMPLES / "oom-at-max" / "before.yaml"
    (policy,) = of_kind(path, "HealingPolicy")
    spec = HealingPolicySpec.model_validate(policy["spec"])
    assert spec.selector is not None
    assert matches(spec.selector.to_object(), deployment(path)["metadata"]["labels"])
    assert policy["spec"]["limits"]["memoryMax"] == containers(path)[0]["resources"]["limits"]["memory"]


def test_only_the_shop_is_healed():
    ours, observed = (
        of_kind(path, "Namespace")[0]["metadata"]
        for path in (SAMPLES / "namespace.yaml", SAMPLES / "observed-only" / "namespace.yaml")
    )
    assert ours["labels"]["prunella.dev/heal"] == "enabled"
    assert "prunella.dev/heal" not in observed["labels"]
    assert {namespace["labels"]["pod-security.kubernetes.io/enforce"] for namespace in (ours, observed)} == {
        "restricted"
    }
    assert not any(
        document["metadata"]["namespace"] == observed["name"]
        for path in FILES
        for document in of_kind(path, "HealingPolicy")
    )


def test_the_policy_makes_a_demo_short():
    (policy,) = of_kind(SAMPLES / "policy.yaml", "HealingPolicy")
    spec = HealingPolicySpec.model_validate(policy["spec"])
    assert (spec.grace, spec.verification.window, spec.verification.timeout) == (5, 15, 60)
    assert spec.limits.memory_max == 256 << 20


def test_the_dry_run_is_about_a_memory_sample():
    (incident,) = documents(SAMPLES / "dry-run" / "incident.yaml")
    spec = IncidentSpec.model_validate(incident["spec"])
    target = deployment(SAMPLES / "oom-killed" / "before.yaml")
    assert spec.mode == Mode.DRY_RUN
    assert spec.target is not None
    assert (spec.target.kind, spec.target.name) == ("Deployment", target["metadata"]["name"])


def test_the_load_is_too_much_for_one_replica_and_little_for_two():
    folder = SAMPLES / "high-cpu"
    (server,) = containers(folder / "before.yaml")
    (customer,) = containers(folder / "load.yaml")
    cost = int(environment(server)["SHOP_CPU_PER_REQUEST"].removesuffix("ms"))
    busy = int(environment(customer)["SHOP_VISITS_PER_S"]) * cost  # milliCPU
    asked = int(server["resources"]["requests"]["cpu"].removesuffix("m"))
    assert HIGH["cpu"] < busy / asked < 1
    assert busy / asked / 2 < 0.6
    (incident,) = documents(folder / "incident.yaml")
    spec = IncidentSpec.model_validate(incident["spec"])
    assert (spec.type, spec.container_name) == (IncidentType.HIGH_CPU, server["name"])
    assert spec.target is not None
    assert spec.target.name == deployment(folder / "before.yaml")["metadata"]["name"]


def test_the_readme_tells_of_every_sample():
    text = (SAMPLES / "README.md").read_text()
    assert [folder for folder in FOLDERS if f"| [{folder}]({folder}/)" not in text] == []
