"""Keeps the C allocator from holding much free memory. Only glibc has the functions for it; else nothing happens.

Large arrays come and go in several threads. glibc gives each thread a heap of its own, and every heap grows to the
most that its thread has ever needed; what stays between the arrays keeps it from returning their memory by itself. A
process that renders pictures for hours would grow for hours.
"""

import asyncio
import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any

#: Heaps that the threads of the process share.
HEAPS = 2

#: Interval at which free memory is returned, in seconds.
INTERVAL = 30.0

#: The parameter of `mallopt` for the number of heaps, from malloc.h.
_M_ARENA_MAX = -8


def share_heaps() -> None:
    """Let all threads share `HEAPS` heaps. Call it before threads are started.

    The environment variable MALLOC_ARENA_MAX goes first.
    """
    mallopt = _function("mallopt", ctypes.c_int, ctypes.c_int)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, HEAPS)


def return_free_memory() -> None:
    """Return free memory of the C allocator to the system. May take long: call it in a thread."""
    trim = _function("malloc_trim", ctypes.c_size_t)
    if trim is not None:
        trim(0)


async def return_memory_after(work: Callable[[], int]) -> None:
    """Return free memory at intervals in which work was done, until cancelled.

    Args:
        work: returns how much has been done so far, such as the number of rendered frames.
    """
    done = work()
    while True:
        await asyncio.sleep(INTERVAL)
        if done != (done := work()):
            await asyncio.to_thread(return_free_memory)


@functools.cache
def _function(name: str, *arguments: Any) -> Callable[..., int] | None:
    """Return a function of the C library by name; None if it has none of this name."""
    try:
        function = ctypes.CDLL(None)[name]
    except (OSError, AttributeError, TypeError):
        return None
    function.argtypes, function.restype = arguments, ctypes.c_int
    return function
