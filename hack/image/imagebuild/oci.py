"""An image as an OCI archive: a tar of blobs that name each other by their hashes. Same content, same bytes."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Layer:
    """A compressed tar, and the hash of its uncompressed content."""

    content: bytes
    diff_id: str


def build_layer(tree: Path, wanted: Callable[[str], bool]) -> Layer:
    """Pack the files of a tree whose path is wanted, owned by root and without timestamps."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            if wanted(name := path.relative_to(tree).as_posix()):
                _add(archive, path, name)
    plain = buffer.getvalue()
    return Layer(gzip.compress(plain, 6, mtime=0), f"sha256:{hashlib.sha256(plain).hexdigest()}")


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    entry = archive.gettarinfo(path, name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    if entry.islnk():  # write a full copy in place of a hard link
        entry.type, entry.size, entry.linkname = tarfile.REGTYPE, path.stat().st_size, ""
    if entry.isreg():
        with path.open("rb") as content:
            archive.addfile(entry, content)
    else:
        archive.addfile(entry)


def write_archive(target: Path, tag: str, config: Mapping[str, object], layers: Iterable[Layer]) -> str:
    """Write the archive and return the digest of the image."""
    layers, blobs = list(layers), {}

    def blob(content: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    described = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": blob(_json(described), _CONFIG),
        "layers": [blob(layer.content, _LAYER) for layer in layers],
    }
    entry = blob(_json(manifest), _MANIFEST)
    names = {"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag.rpartition(":")[2]}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [{**entry, "annotations": names}]}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index), **blobs}
    _write(target, files)
    return str(entry["digest"])


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    partial = target.with_name(f".{target.name}.partial")
    with tarfile.open(partial, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    partial.replace(target)


def _json(body: object) -> bytes:
    return json.dumps(body, sort_keys=True).encode()
