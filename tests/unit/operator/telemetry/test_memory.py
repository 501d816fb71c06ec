"""The worker's process: one thread for frames, and one memory for all threads."""

import subprocess
import sys

WORKER = """
from prunella_operator.telemetry import memory
memory.keep_freed()
import polars, pyarrow
print(polars.thread_pool_size(), pyarrow.default_memory_pool().backend_name)
"""


def test_frames_have_one_thread_and_arrow_the_memory_of_the_others():
    ran = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "system"]
