"""docker-compose.yaml fits Compose's own schema, is consistent, and serves this machine only."""

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path

import check_jsonschema
import jsonschema
import pytest
import yaml

from prunella_operator.config.settings import Settings

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yaml"
BODY = yaml.safe_load(FILE.read_text())
SERVICES = BODY["services"]
SCHEMA = json.loads(files(check_jsonschema).joinpath("builtin_schemas/vendor/compose-spec.json").read_text())

by_service = pytest.mark.parametrize("name", SERVICES)


def test_the_file_is_what_the_schema_of_compose_allows():
    jsonschema.validate(BODY, SCHEMA)


def test_the_schema_would_find_a_mistake():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"temporal": {"imag": "temporalio/server"}}}, SCHEMA)


@by_service
def test_images_are_of_one_version(name):
    assert re.search(r":v?\d+", SERVICES[name]["image"]), "a tag that moves is no version"


@by_service
def test_ports_are_this_machines_only(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@by_service
def test_what_a_service_needs_is_there(name):
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for needed, how in service.get("depends_on", {}).items():
        assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[needed]
    assert {each["source"] for each in service.get("configs", ())} <= set(BODY["configs"])
    volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
    assert volumes <= set(BODY["volumes"])


def test_ports_are_those_that_prunella_looks_for():
    served = {port.split(":")[1]: name for name, each in SERVICES.items() for port in each.get("ports", ())}
    assert served[str(Settings.model_fields["temporal_port"].default)] == "temporal"
    assert served[str(Settings.model_fields["temporal_ui_port"].default)] == "temporal-ui"
    targets = yaml.safe_load(BODY["configs"]["prometheus"]["content"])["scrape_configs"][0]["static_configs"][0]
    assert targets["targets"] == [f"host.docker.internal:{Settings.model_fields['http_port'].default}"]


@pytest.mark.parametrize("name", ["schema", "namespace", "topics"])
def test_scripts_are_well_formed(name):
    script = BODY["configs"][name]["content"].replace("$$", "$")
    subprocess.run(["sh", "-n"], input=script.encode(), check=True)


def test_server_and_tools_are_of_one_release():
    versions = {
        SERVICES[name]["image"].partition(":")[2] for name in ("temporal", "temporal-schema", "temporal-namespace")
    }
    assert len(versions) == 1


def test_the_parts_of_the_telemetry_pipeline_are_those_of_the_manifests():
    folder = ROOT / "manifests" / "telemetry"
    images = yaml.safe_load((folder / "kustomization.yaml").read_text())["images"]
    versions = {each["name"]: each["newTag"] for each in images}
    ours = [each["image"].partition(":")[::2] for each in SERVICES.values() if each.get("profiles") == ["telemetry"]]
    assert dict(ours) == versions
    deployed = yaml.safe_load((folder / "files" / "collector.yaml").read_text())["exporters"]["kafka"]
    exporter = yaml.safe_load(BODY["configs"]["collector"]["content"])["exporters"]["kafka"]
    queue = {name: value for name, value in deployed["sending_queue"].items() if name != "storage"}
    open_to_all = {name: value for name, value in deployed.items() if name not in {"auth", "tls"}}  # a laptop's
    assert exporter == {**open_to_all, "brokers": ["kafka:19092"], "sending_queue": queue}
