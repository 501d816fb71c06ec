"""All benchmarks, one after the other; each prints a table. Three quarters of an hour on an idle machine of 2 cores.

One alone is run by its own name, such as `python tests/bench/scale.py --help`. `soak.py`, an hour of faults, and
`aiops.py`, a day of a large platform, are always run alone.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = (
    ("sensor.py", "--pods", "5000"),
    ("detection.py", "--pods", "5000"),
    ("repair.py",),
    ("webhook.py",),
    ("console.py",),
    ("telemetry.py",),
    ("scale.py", "--pods", "2000", "10000"),
    ("simulate_shards.py",),
)


def main():
    for script, *args in BENCHMARKS:
        print(f"== {script} {' '.join(args)}", flush=True)
        if code := subprocess.run([sys.executable, str(HERE / script), *args], check=False).returncode:
            sys.exit(code)


if __name__ == "__main__":
    main()
