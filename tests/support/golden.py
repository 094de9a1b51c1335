"""Golden bytes: what was once written must read the same for ever, and be written the same.

After a change of the format (a new version, with a line in the changelog) write them anew:
    LAYERCAST_GOLDEN=write pytest tests/codec
"""

import os
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


def golden(name: str, written: bytes) -> bytes:
    """The golden bytes called `name`; `written` replaces them where the environment asks for it."""
    path = FOLDER / name
    if os.environ.get("LAYERCAST_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written)
    return path.read_bytes()
