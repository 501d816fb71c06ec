"""`prunella diagnose`: what it prints of the sample dump, of parts of it, and of what cannot be read."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[4]
SAMPLE = ROOT / "examples" / "dumps" / "shop"
PAGE = ROOT / "docs" / "diagnose.md"
SECRET = "hunter2"


@pytest.fixture
def folder(tmp_path):
    """A copy of the sample."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "dump"))


def change(path, edit):
    """Change the items of a file."""
    value = json.loads(path.read_text())
    edit({item["metadata"]["name"]: item for item in value["items"]})
    path.write_text(json.dumps(value))


def faults(prunella, folder, *options):
    result = prunella("diagnose", "--from", str(folder), "-o", "json", *options)
    assert result.exit_code == 0, result.stderr
    return {fault["workload"].partition("/")[2]: fault for fault in json.loads(result.stdout)["faults"]}


def states(prunella, folder, *options):
    return {name: fault["state"] for name, fault in faults(prunella, folder, *options).items()}


def test_the_sample_as_the_page_shows_it(prunella):
    result = prunella("diagnose", "--from", str(SAMPLE))
    assert result.exit_code == 0
    assert f"```text\n{result.stdout}```" in PAGE.read_text()


def test_wide_adds_guards_the_policy_and_the_diff(prunella):
    text = prunella("diagnose", "--from", str(SAMPLE), "-o", "wide", "--workload", "Deployment/catalog").stdout
    assert "    Mode: Prunella only observes here; nothing was changed.\n" in text
    assert "    Policy: built-in default\n" in text
    assert "    +        memory: 160Mi\n" in text
    assert text.endswith("1 of 1 workloads fail. Time of the dump: 2026-11-24 09:59:52 UTC.\n")


def test_json_and_yaml_are_the_same(prunella):
    found = {name: fault["report"]["diagnosis"]["cause"] for name, fault in faults(prunella, SAMPLE).items()}
    assert found == {"catalog": "pod_oom_killed", "checkout": "bad_release", "payments": "config_missing"}
    text = prunella("diagnose", "--from", str(SAMPLE), "-o", "yaml").stdout
    assert yaml.safe_load(text) == json.loads(prunella("diagnose", "--from", str(SAMPLE), "-o", "json").stdout)


def test_one_workload_and_one_namespace(prunella):
    assert set(states(prunella, SAMPLE, "--workload", "checkout", "-n", "shop")) == {"checkout"}
    assert states(prunella, SAMPLE, "--workload", "web") == {}
    for option, wanted in (("-n", "namespace other"), ("--workload", "workload other")):
        result = prunella("diagnose", "--from", str(SAMPLE), option, "other")
        assert (result.exit_code, result.stdout) == (2, "")
        assert squeeze(f"there is no {wanted}") in squeeze(result.stderr)


def test_another_policy(prunella, tmp_path):
    policy = tmp_path / "heal.yaml"
    policy.write_text("kind: HealingPolicy\nmetadata: {name: shop}\nspec: {mode: Heal, rollback: Freeze}\n")
    text = prunella("diagnose", "--from", str(SAMPLE), "--policy", str(policy)).stdout
    assert "Prunella would: set the memory limit of container app from 96Mi to 160Mi\n" in text
    assert "Prunella would: escalate (RollbackFrozen: The policy freezes rollbacks.) instead of: roll back" in text
    policy.write_text("kind: HealingPolicy\nmetadata: {name: shop}\nspec: {mod: Heal}\n")
    result = prunella("diagnose", "--from", str(SAMPLE), "--policy", str(policy))
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_label_of_the_namespace_opts_in(prunella, folder):
    labels = {"prunella.dev/heal": "enabled"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}
    (folder / "namespace.json").write_text(json.dumps(namespace))
    text = prunella("diagnose", "--from", str(folder)).stdout
    assert "Prunella would: set the memory limit of container app from 96Mi to 160Mi\n" in text
    assert "opted in" not in text


def test_one_list_of_kubectl_get_is_judged_the_same(prunella, folder, tmp_path):
    items = [
        {"apiVersion": value["apiVersion"], "kind": value["kind"].removesuffix("List"), **item}
        for value in (json.loads(path.read_text()) for path in sorted(folder.rglob("*.json")))
        for item in value["items"]
    ]
    for path in folder.rglob("*.json"):
        path.unlink()
    (folder / "everything.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    expected = {name: fault["report"] for name, fault in faults(prunella, SAMPLE).items()}
    assert {name: fault["report"] for name, fault in faults(prunella, folder).items()} == expected


@pytest.mark.parametrize("output", ["text", "wide", "json", "yaml"])
def test_secrets_of_logs_and_environment_never_appear(prunella, folder, output):
    def add_secret(items):
        for item in items.values():
            for container in item["spec"]["template"]["spec"]["containers"]:
                container.setdefault("env", []).append({"name": "DB_PASSWORD", "value": SECRET})

    change(folder / "shop" / "deployments.json", add_secret)
    text = prunella("diagnose", "--from", str(folder), "-o", output).stdout
    assert "postgres://checkout:***@db.shop/orders" in text
    assert SECRET not in text


def test_without_events_a_pod_that_does_not_start_is_not_judged(prunella, folder):
    (folder / "shop" / "events.json").unlink()
    found = faults(prunella, folder)
    assert {name: fault["state"] for name, fault in found.items()} == {
        "catalog": "Failing",
        "checkout": "Failing",
        "payments": "NotJudged",
    }
    why = "why pods are not created, do not start or fail their probes: the dump has no events of namespace shop"
    assert found["payments"]["message"] == why
    assert why in found["catalog"]["lacks"]
    summary = prunella("diagnose", "--from", str(folder)).stdout.splitlines()[-1]
    assert summary.startswith("2 of 4 workloads fail, 1 is not judged.")


def test_without_replica_sets_nothing_is_guessed(prunella, folder):
    (folder / "shop" / "replicasets.json").unlink()
    found = faults(prunella, folder)
    assert {fault["state"] for fault in found.values()} == {"NotJudged"}
    pod = "which workload pod catalog-5d6c8b7f9c-w8rbk (CrashLoopBackOff) belongs to: the dump has no replicasets"
    assert found["catalog-5d6c8b7f9c"]["message"].startswith(pod.replace("CrashLoopBackOff", "OOMKilled"))


def test_a_pod_of_an_unknown_workload_is_named_whichever_is_wanted(prunella, folder):
    (folder / "shop" / "replicasets.json").unlink()
    assert states(prunella, folder, "--workload", "web") == dict.fromkeys(
        ("catalog-5d6c8b7f9c", "checkout-7c9d8f6b54", "payments-84f7c5d6b9"), "NotJudged"
    )


def test_without_logs_and_nodes_that_is_said(prunella, folder):
    (folder / "nodes.json").unlink()
    for path in folder.rglob("logs.txt"):
        path.unlink()
    found = faults(prunella, folder)["checkout"]
    assert found["report"]["diagnosis"]["cause"] == "bad_release"
    assert "how its nodes are: the dump has no nodes" in found["lacks"]
    logs = "the previous run of container app of pod checkout-7c9d8f6b54-m2x8d"
    assert f"what the program wrote: the dump has no log of {logs}" in found["lacks"]


def test_a_rollout_that_has_just_begun_is_not_failing_yet(prunella, folder):
    def begin(items):
        pod = items["payments-84f7c5d6b9-jx6tl"]
        pod["metadata"]["creationTimestamp"] = "2026-11-24T09:59:40Z"
        pod["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}

    change(folder / "shop" / "pods.json", begin)
    change(folder / "shop" / "deployments.json", lambda items: items["payments"]["status"]["conditions"].pop())
    assert states(prunella, folder, "--workload", "payments") == {"payments": "Watching"}
    text = prunella("diagnose", "--from", str(folder), "--workload", "payments").stdout
    assert text.startswith("shop/Deployment/payments is not failing yet: ")


def squeeze(text):
    """Without the frame and the line breaks of the terminal, which break a long path anywhere."""
    return re.sub(r"[\s│]", "", text)


def damage(folder, name, value):
    path = folder / "shop" / name
    path.write_bytes(value if isinstance(value, bytes) else value(path.read_text()).encode())


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        pytest.param("pods.json", lambda text: text[:900], "shop/pods.json: line ", id="truncated"),
        pytest.param(
            "picture.png", b"\x89PNG\r\n\x1a\n\xff\xfe", "shop/picture.png: byte 0: this is no text", id="binary"
        ),
        pytest.param(
            "package.json", b'{"name": "web"}', "shop/package.json: expected a Kubernetes object", id="foreign"
        ),
        pytest.param(
            "pods.json",
            lambda text: text.replace('"restartCount": 5', '"restartCount": "5"'),
            "shop/pods.json: items[0]: Expected `int`, got `str` - at `$.status.containerStatuses[0].restartCount`",
            id="a field of another type",
        ),
        pytest.param(
            "deployments.json",
            lambda text: text.replace('"matchLabels": {', '"matchLabels": 5, "x": {'),
            "shop/deployments.json: items[0]: Deployment/catalog, or what belongs to it, cannot be read",
            id="a field of another type that only a diagnosis reads",
        ),
    ],
)
def test_bad_input_is_wrong_usage_with_the_place_and_nothing_half_printed(prunella, folder, name, value, place):
    damage(folder, name, value)
    for output in ("text", "json"):
        result = prunella("diagnose", "--from", str(folder), "-o", output)
        assert (result.exit_code, result.stdout) == (2, "")
        assert squeeze(place) in squeeze(result.stderr)


def test_folders_that_are_empty_or_missing(prunella, tmp_path):
    for folder, words in ((tmp_path, "there is no Kubernetes object in it"), (tmp_path / "no", "does not exist")):
        result = prunella("diagnose", "--from", str(folder))
        assert (result.exit_code, result.stdout) == (2, "")
        assert squeeze(words) in squeeze(result.stderr)
