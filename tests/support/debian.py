"""Debian's packages with the programs that tests need: installed as root, otherwise named."""

import os
import subprocess
from pathlib import Path

_KEEP = ("-o", "Dpkg::Options::=--force-confold")  # a file that was made before the package stays


def install(*packages: str) -> str:
    """Install packages; return why that is impossible, or ""."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return f"please install {' '.join(packages)}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True, capture_output=True)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *_KEEP, *packages]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return ""
