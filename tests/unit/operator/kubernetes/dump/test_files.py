"""The files of a folder, and the place that the message names if one cannot be read."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from prunella_operator.json_text import InvalidFile
from prunella_operator.kubernetes.dump.files import ObjectId, ResourceId, plural, read_dump
from prunella_operator.kubernetes.dump.logs import LogId

SAMPLE = Path(__file__).parents[5] / "examples" / "dumps" / "shop"
PODS = ResourceId("v1", "pods")
DEPLOYMENTS = ResourceId("apps/v1", "deployments")


def a_config_map(name="settings", version="7", **meta):
    metadata = {"name": name, "namespace": "shop", "resourceVersion": version, **meta}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"creationTimestamp": "2026-11-24T08:00:00Z", **metadata},
    }


def a_list(*items):
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_a_dump_of_cluster_info():
    dump = read_dump(SAMPLE)
    assert dump.at == datetime.fromisoformat("2026-11-24T09:59:52Z")
    assert [name.name for name in dump.of(DEPLOYMENTS)] == ["catalog", "checkout", "payments", "web"]
    assert len(dump.of(PODS)) == 8
    assert dump.of(PODS)[ObjectId("shop", "web-59c8d7f6bb-5hxqp")].raw["kind"] == "Pod"
    assert len(dump.of(ResourceId("v1", "nodes"))) == 2
    assert (ResourceId("apps/v1", "daemonsets"), "shop") in dump.listed


def test_logs_of_cluster_info_are_those_of_each_container():
    logs = read_dump(SAMPLE).logs
    assert logs[LogId("shop", "web-59c8d7f6bb-5hxqp", "app")] == "2026-11-24T09:59:50.018Z INFO GET / 200\n"
    assert LogId("shop", "payments-84f7c5d6b9-jx6tl", "app") not in logs  # kubectl could not read it


def test_logs_of_several_containers_and_of_an_interrupted_dump(tmp_path):
    write(tmp_path / "all.json", a_config_map())
    header = "==== {} logs for container {} of pod shop/web-1 ===="
    words = [header.format("START", "init"), "one", header.format("END", "init"), header.format("START", "app"), "two"]
    (tmp_path / "shop" / "web-1").mkdir(parents=True)
    (tmp_path / "shop" / "web-1" / "logs.txt").write_text("\n".join(words) + "\n")
    assert read_dump(tmp_path).logs == {
        LogId("shop", "web-1", "init"): "one\n",
        LogId("shop", "web-1", "app"): "two\n",
    }


def test_logs_of_single_containers(tmp_path):
    write(tmp_path / "all.json", a_config_map())
    (tmp_path / "shop" / "web-1").mkdir(parents=True)
    (tmp_path / "shop" / "web-1" / "app.log").write_bytes(b"now \xff\n")
    (tmp_path / "shop" / "web-1" / "app.previous.log").write_text("before\n")
    assert read_dump(tmp_path).logs == {
        LogId("shop", "web-1", "app"): "now \N{REPLACEMENT CHARACTER}\n",
        LogId("shop", "web-1", "app", previous=True): "before\n",
    }


def test_single_objects_and_lists_in_files_of_any_name(tmp_path):
    write(tmp_path / "a" / "one.txt", a_config_map("one"))
    write(tmp_path / "more", a_list(a_config_map("two"), a_list(a_config_map("three"))))
    write(tmp_path / ".cache" / "hidden.json", {})
    assert [name.name for name in read_dump(tmp_path).of(ResourceId("v1", "configmaps"))] == ["one", "two", "three"]


def test_of_an_object_in_two_files_the_newer_counts(tmp_path):
    for file, version in (("a.json", "9"), ("b.json", "10"), ("c.json", "8")):
        write(tmp_path / file, a_config_map(version=version))
    (found,) = read_dump(tmp_path).of(ResourceId("v1", "configmaps")).values()
    assert found.raw["metadata"]["resourceVersion"] == "10"


def test_the_encoding_of_a_windows_shell(tmp_path):
    (tmp_path / "all.json").write_text(json.dumps(a_config_map()), encoding="utf-16")
    assert len(read_dump(tmp_path).of(ResourceId("v1", "configmaps"))) == 1


@pytest.mark.parametrize(
    ("content", "place"),
    [
        pytest.param(
            b'{"apiVersion": "v1",\n "kind": ', "bad.json: line 2, column 10: Expecting value", id="truncated"
        ),
        pytest.param(b"", "bad.json: line 1, column 1: Expecting value", id="empty"),
        pytest.param(b"\x80\x81\x82\x83", "bad.json: byte 0: this is no text", id="binary"),
        pytest.param(b"apiVersion: v1\n", "bad.json: line 1, column 1: Expecting value", id="YAML"),
        pytest.param(b"[1]", "bad.json: expected a Kubernetes object", id="no object"),
        pytest.param(b'{"kind": "Pod"}', "bad.json: expected a Kubernetes object", id="without a version"),
        pytest.param(
            b'{"apiVersion": "v1", "kind": "Pod"}',
            "bad.json: Object missing required field `metadata`: expected",
            id="without a name",
        ),
        pytest.param(json.dumps(a_list(5)).encode(), "bad.json: items: expected", id="an item is no object"),
        pytest.param(json.dumps(a_list({})).encode(), "bad.json: items[0]: expected", id="an item without a kind"),
        pytest.param(
            json.dumps(a_list(a_config_map(), a_config_map("x", namespace=5))).encode(),
            "bad.json: items[1]: Expected `str`, got `int` - at `$.metadata.namespace`",
            id="a namespace that is no text",
        ),
        pytest.param(
            json.dumps(a_config_map(creationTimestamp="yesterday")).encode(),
            "bad.json: creationTimestamp: Invalid isoformat string: 'yesterday'",
            id="no time",
        ),
        pytest.param(
            json.dumps(a_config_map(creationTimestamp="2026-11-24T08:00:00")).encode(),
            "bad.json: creationTimestamp: '2026-11-24T08:00:00' has no time zone",
            id="a time without a zone",
        ),
        pytest.param(b"[" * 100_000, "bad.json: ", id="nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_place(tmp_path, content, place):
    write(tmp_path / "a.json", a_config_map("good"))
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(InvalidFile, match=re.escape(f"{tmp_path}/{place}")):
        read_dump(tmp_path)


def test_folders_without_an_object_and_without_a_time(tmp_path):
    with pytest.raises(InvalidFile, match="there is no Kubernetes object in it"):
        read_dump(tmp_path)
    write(tmp_path / "a.json", a_config_map(creationTimestamp=None))
    with pytest.raises(InvalidFile, match="no object in it has a time"):
        read_dump(tmp_path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Pod", "pods"),
        ("Ingress", "ingresses"),
        ("HealingPolicy", "healingpolicies"),
        ("HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ],
)
def test_the_plural_of_a_kind(kind, name):
    assert plural(kind) == name
