"""The Helm chart installs what the overlays install, object by object, and refuses values that make no sense."""

import json
import subprocess

import pytest
import yaml
from chartgen import dist
from chartgen.edits import Edit
from chartgen.generate import CHART, files
from support.documented_commands import commands_of
from support.programs import program
from support.rendering import chart, helm, overlay

pytestmark = pytest.mark.timeout(1200)  # Helm and kubectl are built the first time

QUICKSTART = ("--values", CHART / "values-quickstart.yaml")
PRODUCTION = ("--values", CHART / "values-production.yaml")
BY_KEDA = ("--set", "worker.autoscaling.by=keda")
TELEMETRY = ("--set", "telemetry.enabled=true")
BY_LAG = ("--set", "telemetry.autoscaling.enabled=true")
INSTALLATIONS = {
    "quickstart": (QUICKSTART, ("quickstart",)),
    "quickstart with alerts": ((*QUICKSTART, "--set", "webhook.enabled=true"), ("quickstart", "alerts")),
    "production": (PRODUCTION, ("production",)),
    "KEDA": ((*PRODUCTION, *BY_KEDA), ("production", "keda")),
    "telemetry": ((*PRODUCTION, *TELEMETRY), ("production", "telemetry")),
    "telemetry, both by KEDA": (
        (*PRODUCTION, *BY_KEDA, *TELEMETRY, *BY_LAG),
        ("production", "keda", "telemetry", "telemetry-keda"),
    ),
}


def test_the_templates_are_those_of_the_manifests():
    stale = [path.name for path, text in files() if not path.exists() or path.read_text() != text]
    assert stale == [], "run make chart"


def test_an_edit_that_no_longer_matches_is_an_error():
    with pytest.raises(ValueError, match="matches 0 times, not 1"):
        Edit("^replicas: 2$", "").apply("replicas: 3\n")


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_the_chart_installs_what_the_overlay_installs(name, tmp_path):
    values, parts = INSTALLATIONS[name]
    ours, theirs = chart(*values), overlay(tmp_path, *parts)
    theirs.pop(("Namespace", "prunella-system"))  # Helm's namespace is there before its first object
    assert ours.keys() == theirs.keys()
    for key, expected in theirs.items():
        assert ours[key] == expected


def test_the_chart_follows_its_namespace_and_protects_it():
    elsewhere = chart(*QUICKSTART, namespace="platform")
    assert "prunella-system" not in json.dumps([*elsewhere.values()])
    settings = elsewhere["ConfigMap", "prunella-settings"]["data"]
    assert settings["PRUNELLA_PROTECTED_NAMESPACES"] == "kube-system,kube-public,kube-node-lease,platform"


def test_settings_have_the_last_word_and_restart_the_parts():
    plain = helm("template", CHART, *QUICKSTART)
    other = helm("template", CHART, *QUICKSTART, "--set", "settings.PRUNELLA_LOG_FORMAT=text")
    assert checksums(plain) != checksums(other)
    assert len(checksums(other)) == 1
    data = [one["data"] for one in yaml.safe_load_all(other) if one and one["kind"] == "ConfigMap"]
    assert [one["PRUNELLA_LOG_FORMAT"] for one in data] == ["text"]


def checksums(rendered):
    found = [one for one in yaml.safe_load_all(rendered) if one and one["kind"] == "Deployment"]
    annotations = [one["spec"]["template"]["metadata"].get("annotations", {}) for one in found]
    return {one["checksum/settings"] for one in annotations if one}


def test_pods_take_what_is_common_to_all(tmp_path):
    common = {
        "image": {"repository": "registry.example:5000/prunella", "digest": f"sha256:{'0' * 64}"},
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "extraEnv": [{"name": "PRUNELLA_TEMPORAL_API_KEY", "value": "key"}],
        "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(common))
    objects = chart(*PRODUCTION, "--values", tmp_path / "values.yaml")
    for part in ("operator", "worker", "console"):
        spec = objects["Deployment", f"prunella-{part}"]["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert container["image"] == f"registry.example:5000/prunella@sha256:{'0' * 64}"
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["nodeSelector"] == {"pool": "system"}
        assert spec["tolerations"] == common["tolerations"]
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert common["extraEnv"][0] in container["env"]
        assert common["extraVolumes"][0] in spec["volumes"]
        assert common["extraVolumeMounts"][0] in container["volumeMounts"]


def test_definitions_survive_the_release_unless_they_shall_not():
    assert helm("template", CHART, *QUICKSTART).count("helm.sh/resource-policy: keep") == 3
    assert "resource-policy" not in helm("template", CHART, *QUICKSTART, "--set", "crds.keep=false")
    assert "CustomResourceDefinition" not in helm("template", CHART, *QUICKSTART, "--set", "crds.enabled=false")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (["temporal.adress=temporal:7233"], "adress"),
        (["temporal.address=temporal"], "/temporal/address"),
        (["operator.replicas=0"], "/operator/replicas"),
        (["operator.replicas=two"], "/operator/replicas"),
        (["worker.autoscaling.by=vpa"], "/worker/autoscaling/by"),
        (["image.pullPolicy=Sometimes"], "/image/pullPolicy"),
        (["image.digest=sha256:0"], "/image/digest"),
        (["whenUnsatisfiable=Never"], "/whenUnsatisfiable"),
        (["settings.LOG_LEVEL=debug"], "LOG_LEVEL"),
        (["settings.PRUNELLA_HTTP_PORT=8080"], "/settings/PRUNELLA_HTTP_PORT"),
        (["webhook.secretName="], "/webhook/secretName"),
        (["temporal.developmentServer.enabled=false"], "temporal.address is required"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(values, field):
    sets = [word for each in values for word in ("--set", each)]
    with pytest.raises(subprocess.CalledProcessError) as error:
        helm("template", CHART, *QUICKSTART, *sets)
    assert field in error.value.stderr


def test_every_property_of_the_schema_has_a_default():
    """The other way round Helm compares them itself: the schema refuses unknown values."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert list(without_default(schema, values)) == ["global"]  # Helm's own


def without_default(schema, values):
    for name, below in schema.get("properties", {}).items():
        if name in values:
            yield from without_default(below, values[name])
        else:
            yield name


@pytest.mark.parametrize("values", [QUICKSTART, PRODUCTION], ids=["quickstart", "production"])
def test_helm_finds_nothing_to_complain_about(values):
    assert "0 chart(s) failed" in helm("lint", CHART, "--strict", *values)


def test_helm_test_runs_the_doctor_as_the_operator():
    rendered = [one for one in yaml.safe_load_all(helm("template", CHART, *QUICKSTART)) if one]
    hooks = {one["kind"]: one for one in rendered if "helm.sh/hook" in one["metadata"].get("annotations", {})}
    assert hooks.keys() == {"Pod", "NetworkPolicy"}
    pod = hooks["Pod"]["spec"]
    assert pod["containers"][0]["args"] == ["doctor"]
    assert pod["serviceAccountName"] == "prunella-operator"


def test_the_packaged_chart_installs_the_same(tmp_path):
    helm("package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("prunella-*.tgz")
    assert helm("template", package, *QUICKSTART) == helm("template", CHART, *QUICKSTART)


def test_the_sample_in_the_annotations_is_a_policy():
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    names = {
        yaml.safe_load(path.read_text())["metadata"]["name"] for path in (CHART.parents[1] / "crds").glob("*.yaml")
    }
    assert {one["name"] for one in yaml.safe_load(annotations["artifacthub.io/crds"])} == names
    (example,) = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])
    assert example["kind"] == "HealingPolicy"


@pytest.mark.parametrize("command", [one for one in commands_of("docs/install.md", "With Helm") if " install " in one])
def test_the_documented_installations_render(command):
    words = command.removeprefix("helm install ").replace("--create-namespace ", "").split()
    assert "kind: Deployment" in helm("template", *words)


def test_downloads_have_the_image_that_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(dist, "_find", program)
    paths = dist.write(tmp_path / "dist", "registry.example/prunella")
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    assert [path.name for path in paths] == [
        "install-production.yaml",
        "install-quickstart.yaml",
        f"prunella-{version}.tgz",
    ]
    assert f"image: registry.example/prunella-embedded:{version}" in paths[1].read_text()
    for text in (paths[0].read_text(), helm("template", paths[2], *PRODUCTION)):
        assert f"image: registry.example/prunella:{version}" in text
        assert "prunella.local" not in text
