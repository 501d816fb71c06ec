"""The telemetry pipeline is optional: none of it is imported by the other commands."""

import subprocess
import sys

IMPORTS = """
import sys
import prunella_operator.cli.main, prunella_operator.runtime.app, prunella_operator.runtime.worker
names = ("asyncpg", "confluent_kafka", "polars", "ptars", "pyarrow", "prunella_operator.telemetry")
print([name for name in names if name in sys.modules])
"""


def test_operator_and_worker_import_none_of_it():
    ran = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
