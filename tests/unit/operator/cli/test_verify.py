"""`prunella verify`, and the signatures of `prunella incidents export`: what they print, and their exit codes."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fakes.proof import Scene

from prunella_operator.reporting.recorded_histories import of_incident
from prunella_operator.reporting.recorded_incident import parse_recorded


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def run(prunella, scene):
    def verify(*options):
        log, export = scene.write()
        return prunella("verify", "--audit-log", str(log), str(export), *options)

    return verify


@pytest.fixture
def keys(tmp_path, monkeypatch):
    key, private, public = Ed25519PrivateKey.generate(), tmp_path / "proof.pem", tmp_path / "proof.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    monkeypatch.setenv("PRUNELLA_SIGNING_KEY_FILE", str(private))
    return private, public


def test_all_agree(run):
    result = run()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "audit log: 2026-03-04 12:00:00 to 2026-03-04 12:05:00 UTC",
        "statements: 2026-03-04 12:00:10 to 2026-03-04 12:01:43 UTC",
        "2 statements, 2 writes in 5 events: all agree",
    ]


def test_a_disagreement_is_shown_and_fails(run, scene):
    scene.change(1, verdict="Healed")
    result = run()
    assert result.exit_code == 3
    first, *_, last = result.stdout.splitlines()
    assert first.endswith(
        "one.json: statement 1: OtherVerdict: the incident's status has another verdict: NotHealed, undone"
    )
    assert last == "2 statements, 2 writes in 5 events: 1 disagree"


def test_json(run, scene):
    del scene.log[3]
    printed = json.loads(run("-o", "json").stdout)
    assert (printed["statements"], printed["writes"], printed["unchecked"]) == (2, 1, [])
    assert [finding["kind"] for finding in printed["findings"]] == ["StatementWithoutWrite"]


def test_an_export_is_signed_with_the_key_of_the_setting(prunella, make, run, scene, keys):
    prunella.reader.raw = [make("web-oom")]
    prunella.recorded = {of_incident("uid-web-oom"): [parse_recorded(json.dumps(scene.export), "one.json")]}
    exported = prunella("incidents", "export", "web-oom")
    assert exported.exit_code == 0
    assert run("--key", str(keys[1])).exit_code == 3
    scene.export = json.loads(exported.stdout)
    assert {len(statement["signature"]) for statement in scene.statements} == {128}
    assert run("--key", str(keys[1])).exit_code == 0


def test_a_key_that_is_none_is_wrong_usage(prunella, make, run, keys):
    prunella.reader.raw = [make("web-oom")]
    keys[0].write_text("no key")
    exported = prunella("incidents", "export", "web-oom")
    assert (exported.exit_code, exported.stdout) == (2, "")
    assert "signing_key_file" in exported.stderr
    assert run("--key", str(keys[0])).exit_code == 2


@pytest.mark.parametrize("file", ["audit.log", "one.json"])
def test_truncated_files_are_wrong_usage_with_the_place(prunella, scene, file):
    log, export = scene.write()
    broken = scene.folder / file
    broken.write_text(broken.read_text()[:-40])
    result = prunella("verify", "--audit-log", str(log), str(export))
    assert (result.exit_code, result.stdout) == (2, "")
    place = "audit.log:5:" if file == "audit.log" else "one.json:line"
    assert place in "".join(result.stderr.replace("│", " ").split())


def test_a_statement_that_is_none_is_wrong_usage_with_the_place(run, scene):
    del scene.statements[1]["intent"]
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "statements.1.intent:Fieldrequired" in "".join(result.stderr.replace("│", " ").split())


def test_two_exports_of_one_incident_are_wrong_usage(prunella, scene):
    log, export = scene.write()
    result = prunella("verify", "--audit-log", str(log), str(export), str(export))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "name only its latest export" in " ".join(result.stderr.replace("│", " ").split())
