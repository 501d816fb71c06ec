"""The name of a container's image, in its parts."""

from typing import NamedTuple


class ImageName(NamedTuple):
    """The parts of a name, as far as it has them. The repository includes registry and path."""

    repository: str
    tag: str
    digest: str


def split_image(name: str) -> ImageName:
    """Split a name; a colon before the last slash is a port."""
    tagged, _, digest = name.partition("@")
    head, slash, last = tagged.rpartition("/")
    base, _, tag = last.partition(":")
    return ImageName(f"{head}{slash}{base}", tag, digest)
