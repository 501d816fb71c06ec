"""The memory of the worker's process."""

import ctypes

import pyarrow as pa

_KEPT_BYTES = 1 << 30
_ARENAS, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""Parameters of glibc's `mallopt`."""


def keep_freed() -> None:
    """Let the next batch have the memory of the last one: the kernel would take each page back and clear it again.

    All threads share it, as each signal of a batch may be processed by another one. Other C libraries lack this.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENAS, 1)
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
