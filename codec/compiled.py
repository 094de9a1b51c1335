"""Decorators that compile functions to machine code and cache the builds next to their sources."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function to machine code at its first call, and cache the build next to its source."""
    # Compiled functions are inlined into their callers, but numba checks only the caller's own file for changes. The
    # name contains a digest of all compiled files, so a change in any of them invalidates the cache.
    function.__qualname__ = f"{function.__qualname__}-{_source_digest()}"
    return cast(_Function, numba.njit(cache=True)(function))


def compiled_uncounted(function: _Function) -> _Function:
    """Compile a function like `compiled`, but without reference counting of its arguments.

    The function must not create arrays, nor call functions that do. In small functions with array arguments, reference
    counting takes more time than everything else.
    """
    function.__qualname__ = f"{function.__qualname__}-{_source_digest()}"
    return cast(_Function, numba.njit(cache=True, _nrt=False)(function))


@cache
def _source_digest() -> str:
    """Return a digest of all files that contain compiled functions."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    return hashlib.sha256(b"".join(source for source in sources if b"@compiled" in source)).hexdigest()[:8]
