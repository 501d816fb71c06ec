"""The kubectl plugin's manifest and launcher; tests/integration/test_krew.py builds and runs the archive."""

import hashlib
import re
import sys
import zipfile

import pytest
import yaml
from krewplugin import archive, manifest


@pytest.fixture
def written(tmp_path):
    """The manifest's path, for archives of which only the names are real."""
    archives = {name: tmp_path / f"kubectl-prunella-{name}.tar.gz" for name in archive.PLATFORMS}
    for path in archives.values():
        path.write_text(path.name)
    return manifest.write(tmp_path, archives)


def test_krew_accepts_the_manifest(written):
    body = yaml.safe_load(written.read_text())
    assert (body["apiVersion"], body["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert body["metadata"]["name"] == written.stem
    assert re.fullmatch(r"[\w-]+", written.stem)
    assert re.fullmatch(r"v\d+\.\d+\.\d+(-[\w.]+)?", body["spec"]["version"])
    assert re.fullmatch(r".+", body["spec"]["shortDescription"])


def test_each_platform_has_its_archive(written):
    platforms = yaml.safe_load(written.read_text())["spec"]["platforms"]
    assert ["{os}-{arch}".format(**one["selector"]["matchLabels"]) for one in platforms] == list(archive.PLATFORMS)
    for one in platforms:
        path = written.with_name(one["uri"].rpartition("/")[2])
        assert one["uri"].startswith("https://github.com/prunella-dev/prunella/releases/download/v")
        assert one["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert one["bin"] == "kubectl-prunella"


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 15, 0)])
def test_a_python_without_extensions_is_refused(version, monkeypatch):
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit, match=rf"needs Python {archive.PYTHONS[0]} to {archive.PYTHONS[-1]}; python3 is"):
        exec(archive.LAUNCHER, {"__file__": "kubectl-prunella"})


def test_wheels_that_contradict_each_other_are_refused(tmp_path):
    wheels = [tmp_path / "a-cp311.whl", tmp_path / "a-cp312.whl"]
    for wheel in wheels:
        with zipfile.ZipFile(wheel, "w") as content:
            content.writestr("a-1.dist-info/RECORD", wheel.name)
            content.writestr("a.py", "the same")
    assert archive.unpack(wheels) == {"a.py": b"the same"}
    with zipfile.ZipFile(wheels[1], "a") as content, zipfile.ZipFile(wheels[0], "a") as other:
        content.writestr("b.py", "1")
        other.writestr("b.py", "2")
    with pytest.raises(ValueError, match=r"a-cp312\.whl has another b\.py"):
        archive.unpack(wheels)
