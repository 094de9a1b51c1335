"""Threads share heaps, and free memory is returned to the system."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from layercast_common import free_memory
from layercast_common.free_memory import HEAPS, _function

_PROGRAM = """
from pathlib import Path
from layercast_common.free_memory import return_free_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

blocks = [bytes([1]) * 3000 for _ in range(40_000)]
# The last block keeps the end of the heap in use.
del blocks[:-1]
before = resident()
return_free_memory()
print(before - resident())
"""


_THREADS = """
import ctypes, sys, threading
from pathlib import Path
from layercast_common.free_memory import share_heaps

share_heaps()
together = threading.Barrier(12)

def work():
    together.wait()
    block = bytes([1]) * 3000
    together.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
for one in threads:
    one.start()
for one in threads:
    one.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
print(Path(sys.argv[1]).read_text().count("<heap "))
"""

glibc = pytest.mark.skipif(_function("malloc_trim") is None, reason="only glibc can do this")


def run(program: str, *arguments: object) -> int:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return int(subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=True).stdout)


@glibc
def test_memory_between_blocks_in_use_is_returned() -> None:
    assert run(_PROGRAM) > 100_000_000


@glibc
def test_threads_share_heaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    assert run(_THREADS, tmp_path / "heaps") == HEAPS
    monkeypatch.setenv("MALLOC_ARENA_MAX", "5")
    assert run(_THREADS, tmp_path / "heaps") > HEAPS


async def test_it_is_returned_after_work_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    work, calls = iter([0, 0, 3, 3, 3, 7, 7]), list[str]()
    ended = asyncio.Event()

    def read() -> int:
        done = next(work, None)
        if done is None:
            ended.set()
            return 7
        calls.append(f"work {done}")
        return done

    monkeypatch.setattr(free_memory, "INTERVAL", 0.0)
    monkeypatch.setattr(free_memory, "return_free_memory", lambda: calls.append("returned"))
    task = asyncio.create_task(free_memory.return_memory_after(read))
    async with asyncio.timeout(60):
        await ended.wait()
    task.cancel()
    assert calls == ["work 0", "work 0", "work 3", "returned", "work 3", "work 3", "work 7", "returned", "work 7"]
