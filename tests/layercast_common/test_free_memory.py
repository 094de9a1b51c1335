"""Free memory is returned to the system."""

import subprocess
import sys
from pathlib import Path

import pytest

from layercast_common.free_memory import _malloc_trim, return_free_memory

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


@pytest.mark.skipif(_malloc_trim() is None, reason="only glibc can do this")
def test_memory_between_blocks_in_use_is_returned() -> None:
    command = [sys.executable, "-c", _PROGRAM]
    returned = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=True)
    assert int(returned.stdout) > 100_000_000


def test_it_may_be_called_anywhere() -> None:
    return_free_memory()
