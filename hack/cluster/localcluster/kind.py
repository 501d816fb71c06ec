"""The cluster of people who have Docker: kind, with the configuration file at the top of the repository."""

from pathlib import Path

from localcluster import images, sources
from localcluster.console import attempt, run, say
from localcluster.instance import state_root

REPOSITORY = Path(__file__).resolve().parent.parent.parent.parent
CONFIG = REPOSITORY / "kind-config.yaml"


def exists(name: str) -> bool:
    """Is there a kind cluster of this name?"""
    return name in attempt("kind", "get", "clusters").stdout.split()


def kubeconfig(name: str) -> Path:
    """A file of its own beside the entry that kind adds to the user's kubeconfig."""
    return state_root() / name / "kubeconfig"


def up(name: str) -> None:
    """Create it, once."""
    if exists(name):
        say(f"`{name}` is already running")
    else:
        run("kind", "create", "cluster", "--name", name, "--config", CONFIG, "--wait", "180s")
    kubeconfig(name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    run("kind", "export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig(name))
    kubeconfig(name).chmod(0o600)
    load_shop(name)


def load_shop(name: str) -> None:
    """Build the test image with Docker and copy it into the nodes."""
    tags = [part for tag in images.SHOP for part in ("--tag", tag)]
    run("docker", "build", *tags, sources.IMAGES_FOLDER / "shop")
    run("kind", "load", "docker-image", "--name", name, *images.SHOP)


def load_archives(name: str, archives: list[Path]) -> None:
    """Copy further images into the nodes."""
    for archive in archives:
        run("kind", "load", "image-archive", "--name", name, archive)


def down(name: str) -> None:
    """Delete it."""
    if exists(name):
        run("kind", "delete", "cluster", "--name", name)
    kubeconfig(name).unlink(missing_ok=True)
