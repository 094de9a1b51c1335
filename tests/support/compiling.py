"""Compile the coders to machine code once, before several processes of a test run need them at the same time.

python -m tests.support.compiling
"""

import os
import tempfile
from pathlib import Path

from filelock import FileLock

#: Locked while a process compiles: workers start their first test when it is free.
LOCK = Path(tempfile.gettempdir()) / f"layercast-tests-{os.getuid()}.lock"


def compile_coders() -> None:
    """Encode and decode small pictures, so that numba caches nearly every function that the codec compiles."""
    import numpy as np

    from codec.container.bitstream import Bitstream
    from codec.encoder.encode import encode
    from codec.encoder.options import EncodeOptions
    from tests.support.pictures import draw_picture

    picture = np.asarray(draw_picture(64, 64))
    for options in (
        EncodeOptions(budget=600, texture="grid", nested=True),
        EncodeOptions(budget=600, texture="grid"),
        EncodeOptions(budget=700),
        EncodeOptions(budget=700, order="fidelity"),
    ):
        Bitstream.from_bytes(encode(picture, "a house on a hill", options).to_bytes()).decode()


if __name__ == "__main__":
    with FileLock(LOCK):
        compile_coders()
