"""Decorators that compile functions to machine code and cache the builds next to their sources if possible."""

import hashlib
import logging
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
    return _compile(function)


def compiled_uncounted(function: _Function) -> _Function:
    """Compile a function like `compiled`, but without reference counting of its arguments.

    The function must not create arrays, nor call functions that do. In small functions with array arguments, reference
    counting takes more time than everything else.
    """
    function.__qualname__ = f"{function.__qualname__}-{_source_digest()}"
    return _compile(function, _nrt=False)


def _compile(function: _Function, **options: bool) -> _Function:
    try:
        return cast(_Function, numba.njit(cache=True, **options)(function))
    except RuntimeError:
        # Neither the folder of the source nor the user's cache folder can be written.
        _log_once("compiled code cannot be cached, so every start takes longer; set NUMBA_CACHE_DIR to a folder")
        return cast(_Function, numba.njit(**options)(function))


@cache
def _log_once(text: str) -> None:
    logging.getLogger(__name__).info(text)


@cache
def _source_digest() -> str:
    """Return a digest of all files that contain compiled functions."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    return hashlib.sha256(b"".join(source for source in sources if b"@compiled" in source)).hexdigest()[:8]
