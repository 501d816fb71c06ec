"""The command line. `--tree` is for the Dockerfile, which has layers of its own."""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imagebuild import debian, packages
from imagebuild.oci import layer_of, write_archive
from imagebuild.parts import bill, python_parts

NAME = "prunella.local/prunella"
BILL = "app/prunella.cdx.json"
ENVIRONMENT = {
    "HOME": "/tmp",
    "PATH": "/app/bin:/usr/bin",
    "PYTHONPATH": "/app",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
}
ENTRYPOINT = ["/app/bin/prunella"]
USER = f"{debian.USER}:{debian.USER}"
LABELS = {
    "org.opencontainers.image.title": "prunella",
    "org.opencontainers.image.description": "The self-healing operator for Kubernetes",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.base.name": "debian:bookworm",
}
_OWN = ("app/prunella", "app/bin/prunella")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the tree, and unless only that is wanted, the archive and the bill of materials beside it."""
    options = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as work:
        tree = options.tree or Path(work) / "tree"
        tree.mkdir(parents=True, exist_ok=True)
        build_tree(tree, Path(work))
        if not options.tree:
            options.output.parent.mkdir(parents=True, exist_ok=True)
            version = packages.version_of(tree)
            digest = pack(tree, options.output, options.tag or f"{NAME}:{version}", version)
            shutil.copy(tree / BILL, options.output.with_name("prunella.cdx.json"))
            print(f"{options.output} {digest}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(prog="hack/image", description="Build Prunella's container image without Docker.")
    found.add_argument("--output", type=Path, default=packages.ROOT / "dist" / "prunella-image.tar", help="OCI archive")
    found.add_argument("--tag", help=f"name of the image (default: {NAME}:VERSION)")
    found.add_argument("--tree", type=Path, help="only fill this folder with the image's files")
    return found


def build_tree(tree: Path, work: Path) -> None:
    """All files of the image, and the list of where they come from."""
    base = debian.build_base(tree, work / "debian")
    packages.install_packages(tree)
    packages.install_prunella(tree, work)
    packages.compile_all(tree)
    own = tree / packages.APP
    (tree / BILL).write_text(bill(packages.version_of(tree), [*base, *python_parts(own)]))


def pack(tree: Path, output: Path, tag: str, version: str) -> str:
    """Three layers, so that a new Prunella is a small one."""
    config = {
        "Entrypoint": ENTRYPOINT,
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "User": USER,
        "WorkingDir": "/",
        "Labels": {**LABELS, "org.opencontainers.image.version": version},
    }
    layers = (
        layer_of(tree, lambda name: not name.startswith("app")),
        layer_of(tree, lambda name: name.startswith("app") and not name.startswith(_OWN)),
        layer_of(tree, lambda name: name.startswith(_OWN)),
    )
    return write_archive(output, tag, config, layers)
