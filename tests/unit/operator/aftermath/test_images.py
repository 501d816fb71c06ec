"""Names of images that are the same image."""

import pytest
from fakes.objects import a_pod

from prunella_operator.aftermath.images import known_digests, plain_name

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("nginx", "docker.io/library/nginx:latest", True),
        ("team/web:1", "docker.io/team/web:1", True),
        ("localhost/web:1", "localhost/web:1", True),
        ("registry.example:5000/web", "registry.example:5000/web:latest", True),
        (f"web:1@{A}", f"web@{A}", True),
        (f"web:1@{A}", f"web:1@{B}", False),
        ("web:1", "web:2", False),
        ("registry.example/web:1", "other.example/web:1", False),
        ("web:1", f"web@{A}", False),
    ],
)
def test_names(one, other, same):
    assert (plain_name(one, {}) == plain_name(other, {})) is same


def test_a_tag_that_pods_run_is_known_by_its_digest():
    digests = known_digests([a_pod(status={"imageID": f"registry.example/web@{A}"})])
    assert plain_name("registry.example/web:1", digests) == f"registry.example/web@{A}"


def test_a_tag_that_was_moved_is_not_known():
    pods = [a_pod(name, status={"imageID": f"registry.example/web@{digest}"}) for name, digest in (("a", A), ("b", B))]
    assert known_digests(pods) == {}
