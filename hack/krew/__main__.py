"""`python hack/krew FOLDER`: write the kubectl plugin: an archive for each platform, and the manifest for krew."""

import subprocess
import sys
from pathlib import Path

from krewplugin import archive, manifest


def main(folder: Path) -> int:
    """Write the files and print their paths, or what pip says."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        archives = {platform: archive.write(folder, platform) for platform in archive.PLATFORMS}
    except subprocess.CalledProcessError as error:
        print(f"error: the kubectl plugin cannot be built: {error.stderr.strip()}", file=sys.stderr)
        return 1
    for path in (*archives.values(), manifest.write(folder, archives)):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
