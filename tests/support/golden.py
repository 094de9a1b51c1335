"""Golden bytes: every release must read and write them identically.

After a change of the format (a new version, with a line in the changelog) write them again:
    LAYERCAST_GOLDEN=write pytest tests/codec
"""

import os
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden"


def golden(name: str, written: bytes) -> bytes:
    """Return the golden bytes `name`; with LAYERCAST_GOLDEN=write in the environment, replace them by `written`."""
    path = FOLDER / name
    if os.environ.get("LAYERCAST_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written)
    return path.read_bytes()
