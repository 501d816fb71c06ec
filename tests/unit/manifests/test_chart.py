"""The Helm chart installs what the overlays install, object by object, and refuses values that make no sense."""

import functools
import json
import operator
import shutil
import subprocess

import pytest
import yaml
from chartgen import dist
from chartgen.edits import Edit
from chartgen.generate import CHART, files
from support.access_control import HOME
from support.documented_commands import commands_of
from support.programs import program
from support.rendering import chart, helm, overlay

from prunella_operator.config.settings import Settings

pytestmark = pytest.mark.timeout(1200)  # Helm and kubectl are built the first time

# Values that an earlier chart did not have: `helm upgrade --reuse-values` renders without them.
ADDED = (
    "networkPolicies.ports",
    "telemetry.autoscaling.secretName",
    "console.extraEnv",
    "console.extraVolumes",
    "console.extraVolumeMounts",
    "console.oidc",
    "answerLinks",
)
QUICKSTART = ("--namespace", HOME, "--values", CHART / "values-quickstart.yaml")
PRODUCTION = ("--namespace", HOME, "--values", CHART / "values-production.yaml")
BY_KEDA = ("--set", "worker.autoscaling.by=keda")
TELEMETRY = ("--set", "telemetry.enabled=true")
ANSWERS = ("--set", "console.oidc.enabled=true,answerLinks.enabled=true")
BY_LAG = ("--set", "telemetry.autoscaling.enabled=true")
INSTALLATIONS = {
    "quickstart": (QUICKSTART, ("quickstart",)),
    "quickstart with alerts": ((*QUICKSTART, "--set", "webhook.enabled=true"), ("quickstart", "alerts")),
    "production": (PRODUCTION, ("production",)),
    "answers": ((*PRODUCTION, *ANSWERS), ("production", "sign-in", "answer-links")),
    "answers and telemetry": (
        (*PRODUCTION, *TELEMETRY, *ANSWERS),
        ("production", "telemetry", "sign-in", "answer-links"),
    ),
    "KEDA": ((*PRODUCTION, *BY_KEDA), ("production", "keda")),
    "telemetry": ((*PRODUCTION, *TELEMETRY), ("production", "telemetry")),
    "telemetry, both by KEDA": (
        (*PRODUCTION, *BY_KEDA, *TELEMETRY, *BY_LAG),
        ("production", "keda", "telemetry", "telemetry-keda"),
    ),
}


def is_secret(field):
    return "SecretStr" in str(field.annotation)


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
    digest = ("--set", f"telemetry.image.digest=sha256:{'1' * 64}")
    objects = chart(*PRODUCTION, *TELEMETRY, *digest, "--values", tmp_path / "values.yaml")
    images = {"operator": f"prunella@sha256:{'0' * 64}", "worker": f"prunella-telemetry@sha256:{'1' * 64}"}
    images |= dict.fromkeys(("console", "telemetry"), images["worker"])
    for part, image in images.items():
        spec = objects["Deployment", f"prunella-{part}"]["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert container["image"] == f"registry.example:5000/{image}"
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["nodeSelector"] == {"pool": "system"}
        assert spec["tolerations"] == common["tolerations"]
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        for key, found in added(objects, f"prunella-{part}").items():
            assert (common[key][0] in found) == (part != "console"), key


def added(objects, name):
    """The lists of one container to which the values `extra...` are added."""
    spec = objects["Deployment", name]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return {
        "extraEnv": container.get("env", ()),
        "extraVolumes": spec["volumes"],
        "extraVolumeMounts": container["volumeMounts"],
    }


def test_credentials_reach_neither_the_development_server_nor_the_console_but_by_its_own_values(tmp_path):
    extra = {
        "extraEnv": [{"name": "TEMPORAL_API_KEY", "value": "key"}],
        "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
    }
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(extra))
    (tmp_path / "console.yaml").write_text(yaml.safe_dump({"console": extra}))
    having = {
        kind: {
            part
            for part in ("prunella-operator", "prunella-worker", "prunella-console", "temporal")
            if any(extra[key][0] in found for key, found in added(objects, part).items())
        }
        for kind in ("all", "console")
        for objects in [chart(*QUICKSTART, "--values", tmp_path / f"{kind}.yaml")]
    }
    assert having == {"all": {"prunella-operator", "prunella-worker"}, "console": {"prunella-console"}}


@pytest.mark.parametrize("namespace", ["default", "kube-system", "kube-prunella"])
def test_namespaces_of_others_are_refused(namespace):
    with pytest.raises(subprocess.CalledProcessError) as error:
        chart(*QUICKSTART, namespace=namespace)
    assert f"namespace {namespace}: Prunella never heals its own namespace" in error.value.stderr


def test_a_pinned_image_wants_that_of_telemetry_pinned_too():
    digest = f"sha256:{'0' * 64}"
    with pytest.raises(subprocess.CalledProcessError) as error:
        chart(*PRODUCTION, *TELEMETRY, "--set", f"image.digest={digest}")
    assert "telemetry.image.digest: image.digest pins one image" in error.value.stderr
    assert chart(*PRODUCTION, "--set", f"image.digest={digest}")


@pytest.mark.parametrize("values", [PRODUCTION, QUICKSTART], ids=["production", "quickstart"])
def test_without_network_policies_there_is_none(values):
    objects = helm("template", CHART, *values, *TELEMETRY, "--set", "networkPolicies.enabled=false")
    assert "kind: NetworkPolicy" not in objects


@pytest.mark.parametrize(("values", "expected"), [(PRODUCTION, False), (QUICKSTART, True)], ids=["own", "server"])
def test_pods_with_the_name_of_temporal_are_bounded_only_with_the_development_server(values, expected):
    """Temporal's own chart calls its pods so, and may be installed in the same namespace."""
    objects = chart(*values, *TELEMETRY)
    bounded = {
        name for (kind, name), one in objects.items() if kind == "NetworkPolicy" and '"temporal"' in selector(one)
    }
    assert bounded == ({"nothing-else", "everybody", "temporal-server"} if expected else set())


def selector(policy):
    return json.dumps(policy["spec"]["podSelector"])


def test_ports_of_network_policies_are_those_of_the_values():
    sets = (
        "temporal.address=temporal.example.org:17233",
        "telemetry.kafka=one:19092\\,two:29092\\,three:19092",
        "networkPolicies.ports.kubernetes={16443}",
        "networkPolicies.ports.prometheus={19090,8481}",
        "networkPolicies.ports.alertmanager={19093}",
        "networkPolicies.ports.mail={25}",
        "networkPolicies.ports.traces={14317}",
        "networkPolicies.ports.database={6432}",
    )
    objects = chart(*PRODUCTION, *TELEMETRY, *(word for each in sets for word in ("--set", each)))
    assert called(objects, "everybody") == [53, 53, 16443, 14317]
    assert called(objects, "temporal") == [17233, 19090, 8481]
    assert called(objects, "worker") == [19093, 25]
    assert called(objects, "telemetry") == [19092, 29092, 17233]
    assert called(objects, "telemetry-database") == [6432]


def called(objects, name):
    return [port["port"] for rule in objects["NetworkPolicy", name]["spec"]["egress"] for port in rule["ports"]]


def test_the_secret_of_keda_has_a_name_in_the_values():
    objects = chart(*PRODUCTION, *TELEMETRY, *BY_LAG, "--set", "telemetry.autoscaling.secretName=kafka-of-keda")
    found = objects["TriggerAuthentication", "prunella-telemetry"]["spec"]["secretTargetRef"]
    assert [one["name"] for one in found] == ["kafka-of-keda"] * 3


@pytest.mark.parametrize("missing", ADDED)
def test_values_of_an_earlier_chart_may_be_reused(missing, tmp_path):
    earlier = shutil.copytree(CHART, tmp_path / "prunella")
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    *parents, name = missing.split(".")
    del functools.reduce(operator.getitem, parents, values)[name]
    (earlier / "values.yaml").write_text(yaml.safe_dump(values))
    everything = (*PRODUCTION, *BY_KEDA, *TELEMETRY, *BY_LAG)
    assert helm("template", earlier, *everything) == helm("template", CHART, *everything)


def test_definitions_and_what_was_earned_survive_the_release_unless_they_shall_not():
    rendered = [one for one in yaml.safe_load_all(helm("template", CHART, *QUICKSTART)) if one]
    kept = [one for one in rendered if "helm.sh/resource-policy" in (one["metadata"].get("annotations") or {})]
    assert sorted(one["kind"] for one in kept) == [*["CustomResourceDefinition"] * 3, "Namespace"]
    assert "prunella-records" in {one["metadata"]["name"] for one in kept}
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
        (["settings.TEMPORAL_GRPC_META_AUTHORIZATION=key"], "TEMPORAL_GRPC_META_AUTHORIZATION"),
        (["settings.TEMPORAL_TLS_CLIENT_KEY_DATA=key"], "TEMPORAL_TLS_CLIENT_KEY_DATA"),
        (["settings.OTEL_EXPORTER_OTLP_TRACES_HEADERS=key"], "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
        (["telemetry.kafka=kafka"], "/telemetry/kafka"),
        (["networkPolicies.ports.traces={}"], "/networkPolicies/ports/traces"),
        (["networkPolicies.ports.mail={smtp}"], "/networkPolicies/ports/mail/0"),
        (["webhook.secretName="], "/webhook/secretName"),
        (["temporal.developmentServer.enabled=false"], "temporal.address is required"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(values, field):
    sets = [word for each in values for word in ("--set", each)]
    with pytest.raises(subprocess.CalledProcessError) as error:
        helm("template", CHART, *QUICKSTART, *sets)
    assert field in error.value.stderr


@pytest.mark.parametrize("name", [name for name, field in Settings.model_fields.items() if is_secret(field)])
def test_a_setting_that_is_a_secret_is_refused_in_the_config_map(name):
    variable = f"PRUNELLA_{name.upper()}"
    with pytest.raises(subprocess.CalledProcessError) as error:
        helm("template", CHART, *QUICKSTART, "--set", f"settings.{variable}=secret")
    assert variable in error.value.stderr


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


def test_downloads_are_made_by_the_programs_that_were_built_for_the_tests(tmp_path, monkeypatch):
    monkeypatch.setattr(dist.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(dist.build, "binary", lambda name: tmp_path / name)
    monkeypatch.setattr(dist.build, "ensure", lambda name: tmp_path / name)
    (tmp_path / "helm").touch()
    assert dist._find("helm") == tmp_path / "helm"
    assert str(dist._find("kubectl")) == "/usr/bin/kubectl"


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
