"""The parts of an image's name."""

import pytest

from prunella_workflows.model.image import split_image


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nginx", ("nginx", "", "")),
        ("nginx:1.27", ("nginx", "1.27", "")),
        ("registry:5000/team/shop", ("registry:5000/team/shop", "", "")),
        ("registry:5000/team/shop:2@sha256:ab", ("registry:5000/team/shop", "2", "sha256:ab")),
        ("", ("", "", "")),
    ],
)
def test_repository_tag_and_digest(name, parts):
    assert split_image(name) == parts
