"""Container images without Docker or a registry: a docker-archive is a tar of layers and two small JSON files."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster import build, sources
from localcluster.console import attempt, run
from localcluster.instance import Instance
from localcluster.node import PAUSE

SHOP = ("prunella.local/shop:1", "prunella.local/shop:2")
"""Two tags of the same bits: a release in a test changes the image without needing a second program."""
STOCK = "docker.io/library/nginx:1.29"
"""The image of the README's first fault. There is no registry here: the name stands for the shop as well."""
UNPRIVILEGED = "65532:65532"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """One static program as an image."""

    tags: Sequence[str]
    program: str
    user: str = UNPRIVILEGED


def write_archive(image: Image, content: bytes, target: Path) -> None:
    """Same program, same bytes: all times and owners are fixed."""
    layer = _tar({image.program: content}, mode=0o755)
    config = json.dumps(_config(image, layer)).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": list(image.tags), "Layers": ["layer.tar"]}]
    files = {name: config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    partial = target.with_name(f".{target.name}.partial")
    partial.write_bytes(_tar(files, mode=0o644))
    partial.replace(target)


def _config(image: Image, layer: bytes) -> dict[str, object]:
    return {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": [f"/{image.program}"], "User": image.user, "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "hack/cluster"}],
    }


def _tar(files: Mapping[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, 0
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def prepare() -> list[Path]:
    """Pack the pause and the shop image; the archives stay in the cache."""
    return [_pause_archive(), _shop_archive()]


def _shop_archive() -> Path:
    program = build.binary("shop")
    archive = program.with_name("shop.tar")
    if not archive.exists():
        write_archive(Image((*SHOP, STOCK), "shop"), program.read_bytes(), archive)
    return archive


def _pause_archive() -> Path:
    source = sources.IMAGES_FOLDER / "pause" / "pause.c"
    key = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    archive = build.cache_folder() / f"pause-{key}" / "image.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        program = archive.with_name("pause")
        run("gcc", "-static", "-Os", "-s", "-o", program, source)
        write_archive(Image([PAUSE], "pause", "65535:65535"), program.read_bytes(), archive)
    return archive


def load(instance: Instance, archives: Sequence[Path]) -> None:
    """Import archives into the cluster's own containerd."""
    for archive in archives:
        run(*_ctr(instance), "images", "import", archive, timeout=300)


def runtime_ready(instance: Instance) -> bool:
    """Does containerd answer?"""
    return instance.containerd_socket.exists() and attempt(*_ctr(instance), "version").returncode == 0


def loaded(instance: Instance) -> bool:
    """Are our images there? A second start then imports nothing."""
    there = run(*_ctr(instance), "images", "list", "--quiet").split()
    return {PAUSE, *SHOP, STOCK} <= set(there) and _imported_marker(instance).exists()


def _imported_marker(instance: Instance) -> Path:
    return instance.folder / "containerd" / f"images-{sources.SHOP.key()}"


def ensure(instance: Instance) -> None:
    """Load our images unless the present ones are up to date."""
    archives = prepare()
    if not loaded(instance):
        load(instance, archives)
        _imported_marker(instance).touch()


def _ctr(instance: Instance) -> tuple[str, ...]:
    return (str(build.binary("ctr")), "--address", str(instance.containerd_socket), "--namespace", "k8s.io")
