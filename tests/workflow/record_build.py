"""Keep the workflows of a build, for test_upgrade.py: `python tests/workflow/record_build.py COMMIT NAME`.

Do this when a release is made, with its commit. A build is removed when no incident of it can be under way any more.
"""

import subprocess
import sys
from pathlib import Path

BUILDS = Path(__file__).parent / "previous"


def main(commit, name):
    line = ["git", "archive", "--format=zip", "-9", f"--output={BUILDS / name}.zip", f"{commit}:workflows"]
    subprocess.run([*line, "prunella_workflows"], check=True)
    print(f"recorded {name}.zip, the workflows of {commit}")


if __name__ == "__main__":
    main(*sys.argv[1:])
