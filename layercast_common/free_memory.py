"""Returns memory to the system that the C allocator holds free."""

import asyncio
import ctypes
import functools
from collections.abc import Callable

#: Interval at which free memory is returned, in seconds.
INTERVAL = 30.0


def return_free_memory() -> None:
    """Return free memory of the C allocator to the system; takes some ten milliseconds. Only glibc can do this.

    Large arrays come and go in several threads, and what stays between them keeps the allocator from returning their
    memory by itself: a process that renders pictures for hours would grow for hours.
    """
    trim = _malloc_trim()
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
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        function = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    function.argtypes, function.restype = (ctypes.c_size_t,), ctypes.c_int
    return function
