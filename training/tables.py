"""Builds the coders' tables: `python -m training.tables edges --pictures DIR`.

A table's name carries `codec.coders.stored.VERSION`. Streams made with another table do not decode, so a new table
needs a new version of the format (`codec.header.VERSION`) once streams have been given away.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from codec.coders.stored import VERSION
from training.data import read_tiles

TABLES = Path(__file__).parent.parent / "codec" / "tables"


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.tables", description=__doc__)
    parser.add_argument("table", choices=["edges"])
    parser.add_argument("--pictures", type=Path, required=True, help="folder of sheets and tiles.jsonl")
    parser.add_argument("--maps", type=int, default=8, help="edge maps of each picture")
    parser.add_argument("--cells", type=int, default=500, help="cells of each map")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=TABLES)
    options = parser.parse_args()
    from training import table_edges

    table = table_edges.build(
        options.pictures, read_tiles(options.pictures), maps=options.maps, cells=options.cells, epochs=options.epochs
    )
    with (options.output / f"{options.table}-{VERSION}.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
