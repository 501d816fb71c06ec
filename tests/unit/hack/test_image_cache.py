"""The cache of images: one build for the same sources, and only the newest is kept."""

import pytest
from imagebuild import cached


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A repository of one file, whose image is a copy of it."""
    monkeypatch.setattr(cached, "ROOT", tmp_path)
    (source := tmp_path / "source").write_text("one")

    def build(target, _options):
        target.parent.mkdir()
        target.write_text(source.read_text())

    monkeypatch.setattr(cached, "_build", build)
    return source


def test_an_image_is_built_once_and_again_when_its_sources_change(tmp_path, sources):
    home = tmp_path / "cache"
    first = cached.archive(home, ["source"])
    first.write_text("kept")
    assert cached.archive(home, ["source"]).read_text() == "kept"
    sources.write_text("two")
    second = cached.archive(home, ["source"])
    assert second.read_text() == "two"
    assert [path for path in home.iterdir() if path.is_dir()] == [second.parent]


def test_a_build_that_fails_says_why(tmp_path):
    with pytest.raises(cached.NotBuiltError, match="unrecognized arguments: --no-such-option"):
        cached.archive(tmp_path, ["LICENSE"], "--no-such-option")
    assert not list(tmp_path.rglob("image.tar"))
