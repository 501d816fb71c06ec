"""The command line. `--tree` is for the Dockerfile, which has layers of its own."""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imagebuild import debian, packages
from imagebuild.oci import build_layer, write_archive
from imagebuild.parts import list_python_parts, render_bill

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
_OWN = ("app/prunella", "app/bin/prunella")  # and what begins with it: the example's package has the prefix too


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the tree and, unless `--tree` is given, the archive with the bill of materials beside it."""
    options = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as work:
        tree = options.tree or Path(work) / "tree"
        tree.mkdir(parents=True, exist_ok=True)
        build_tree(tree, Path(work), options.lock, options.more)
        if not options.tree:
            write_image(tree, options)
    return 0


def write_image(tree: Path, options: argparse.Namespace) -> None:
    """Write the archive and the bill of materials, named after the lock file unless the options say otherwise."""
    kind = variant(options.lock)
    output = options.output or packages.ROOT / "dist" / f"prunella{kind}-image.tar"
    output.parent.mkdir(parents=True, exist_ok=True)
    version = packages.find_version(tree)
    digest = pack(tree, output, options.tag or f"{NAME}{kind}:{version}", version)
    shutil.copy(tree / BILL, output.with_name(f"prunella{kind}.cdx.json"))
    print(f"{output} {digest}")


def variant(lock: Path) -> str:
    """The end of the image's name: nothing for requirements-image.lock, `-NAME` for requirements-NAME.lock."""
    name = lock.stem.removeprefix("requirements-")
    return "" if name == "image" else f"-{name}"


def parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    found = argparse.ArgumentParser(prog="hack/image", description="Build Prunella's container image without Docker.")
    found.add_argument("--output", type=Path, help="OCI archive (default: dist/prunella-image.tar, by the lock file)")
    found.add_argument("--tag", help=f"name of the image (default: {NAME}:VERSION, by the lock file)")
    found.add_argument(
        "--lock",
        type=Path,
        default=packages.ROOT / "requirements-image.lock",
        help="its packages; requirements-embedded.lock makes the image of the quickstart, and so on",
    )
    found.add_argument(
        "--with", dest="more", type=Path, action="append", default=[], help="folder of a further project to install"
    )
    found.add_argument("--tree", type=Path, help="only fill this folder with the image's files")
    return found


def build_tree(tree: Path, work: Path, lock: Path, more: Sequence[Path] = ()) -> None:
    """Install all files of the image, and write its bill of materials."""
    base = debian.build_base(tree, work / "debian")
    packages.install_packages(tree, lock)
    packages.install_prunella(tree, work, more)
    packages.compile_bytecode(tree)
    own = tree / packages.APP
    (tree / BILL).write_text(render_bill(packages.find_version(tree), [*base, *list_python_parts(own)]))


def pack(tree: Path, output: Path, tag: str, version: str) -> str:
    """Write the image in three layers, so that a new release of Prunella changes only a small one."""
    config = {
        "Entrypoint": ENTRYPOINT,
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "User": USER,
        "WorkingDir": "/",
        "Labels": {**LABELS, "org.opencontainers.image.version": version},
    }
    layers = (
        build_layer(tree, lambda name: not name.startswith("app")),
        build_layer(tree, lambda name: name.startswith("app") and not name.startswith(_OWN)),
        build_layer(tree, lambda name: name.startswith(_OWN)),
    )
    return write_archive(output, tag, config, layers)
