"""Compile functions to machine code at their first call, and cache the builds beside their sources."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function to machine code at its first call, and cache the build next to its source."""
    # Compiled functions are inlined into their callers, but numba checks only the caller's own file for changes. A
    # digest of all compiled files in the name invalidates the cache when any of them changes.
    function.__qualname__ = f"{function.__qualname__}-{_source_digest()}"
    return cast(_Function, numba.njit(cache=True)(function))


def compiled_uncounted(function: _Function) -> _Function:
    """Compile a function that creates no arrays and calls none that does, without counting references to its arguments.

    In small functions that take arrays, counting takes more time than everything else.
    """
    function.__qualname__ = f"{function.__qualname__}-{_source_digest()}"
    return cast(_Function, numba.njit(cache=True, _nrt=False)(function))


@cache
def _source_digest() -> str:
    """Return a digest of all files that contain compiled functions."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    return hashlib.sha256(b"".join(source for source in sources if b"@compiled" in source)).hexdigest()[:8]
