"""The base of the image: Python and its dependencies from Debian's packages only. There is no shell."""

import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from imagebuild.parts import Part

PACKAGES = (
    "ca-certificates",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libstdc++6",
    "libuuid1",
    "netbase",
    "python3.11-minimal",
    "tzdata",
    "zlib1g",
)
USER = 65532
_MERGED_FOLDERS = frozenset({"bin", "sbin", "lib", "lib64"})  # links into /usr, as in every newer Debian
_EXCLUDED = re.compile(
    r"usr/share/(man|info|locale|lintian|bash-completion|bug|doc/(?!.*/copyright$).+[^/]$)|usr/sbin|etc/cron|usr/lib/python3.11/ensurepip"
)
_AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"


def build_base(tree: Path, downloads: Path) -> list[Part]:
    """Unpack the base into the tree and return its packages."""
    for name in _MERGED_FOLDERS:
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(f"usr/{name}")
    archives = sorted(_download(downloads))
    for archive in archives:
        unpack(archive, tree)
    _write_system_files(tree)
    return [_describe(archive) for archive in archives]


def _download(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "--quiet", *PACKAGES], cwd=folder, check=True, capture_output=True)
    return folder.glob("*.deb")


def unpack(archive: Path, tree: Path) -> None:
    """Unpack the files of a package that a program needs. Documents other than licences are excluded.

    Raises:
        RuntimeError: dpkg-deb failed.
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as content:
            for member in content:
                if (name := merged_path(member.name)) and not _EXCLUDED.match(name):
                    _extract(content, member, name, tree)
        if process.wait():
            raise RuntimeError(f"{archive.name} cannot be unpacked")


def merged_path(name: str) -> str:
    """Path of a file in the image: /lib is a link to /usr/lib, and so on."""
    parts = PurePosixPath(name).parts
    parts = parts[1:] if parts[:1] in {(".",), ("/",)} else parts
    return "/".join(("usr", *parts) if parts[:1] and parts[0] in _MERGED_FOLDERS else parts)


def _extract(content: tarfile.TarFile, member: tarfile.TarInfo, name: str, tree: Path) -> None:
    member.name = name
    if member.islnk():
        member.linkname = merged_path(member.linkname)
    content.extract(member, tree, set_attrs=not member.isdir())


def _write_system_files(tree: Path) -> None:
    """Write what the packages' install scripts would write, and the user."""
    authorities = sorted((tree / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    (tree / _AUTHORITIES).parent.mkdir(parents=True, exist_ok=True)
    (tree / _AUTHORITIES).write_text("".join(authority.read_text() for authority in authorities))
    (tree / "etc/passwd").write_text(
        f"root:x:0:0:root:/root:/sbin/nologin\nprunella:x:{USER}:{USER}:prunella:/tmp:/sbin/nologin\n"
    )
    (tree / "etc/group").write_text(f"root:x:0:\nprunella:x:{USER}:\n")
    (tree / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    for folder in (tree, *(path for path in tree.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
    (tree / "tmp").mkdir()
    (tree / "tmp").chmod(0o1777)
    python = tree / "usr/bin/python3"
    python.unlink(missing_ok=True)
    python.symlink_to("python3.11")


def _describe(archive: Path) -> Part:
    form = "${Package} ${Version} ${Architecture}"
    shown = subprocess.run(["dpkg-deb", f"--showformat={form}", "--show", archive], check=True, capture_output=True)
    name, version, architecture = shown.stdout.decode().split()
    return Part(name, version, f"pkg:deb/debian/{name}@{version}?arch={architecture}&distro=debian-12")
