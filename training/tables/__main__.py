"""Build a table of the codec's coders.

`shades` is computed and needs no pictures. `colors` uses `shades`, and `budget` measures the coders with all others.

The file name of a table contains `codec.coders.tables.VERSION`. Streams made with another table do not decode, so once
streams have been published, a new table needs a new version of the format (`codec.container.header.VERSION`).

examples:
    python -m training.tables edges --pictures DATA
    python -m training.tables text --pictures DATA --prompts prompts/*.txt --names objects.json
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codec.coders.tables import VERSION
from training.data.prompts import read_names, read_prompts, style_texts
from training.data.tiles import read_tiles
from training.tables import budget as table_budget
from training.tables import colors as table_colors
from training.tables import edges as table_edges
from training.tables import planes as table_planes
from training.tables import shades as table_shades
from training.tables import text as table_text

TABLES = Path(__file__).parents[2] / "codec" / "tables"


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.tables", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "table", choices=["edges", "text", "shades", "colors", "budget", "planes"], help="the table to build"
    )
    parser.add_argument(
        "--pictures", type=Path, help="folder with tiles.jsonl and sheets/ (required for all tables but shades)"
    )
    parser.add_argument(
        "--prompts", type=Path, nargs="*", default=[], help="text files with one prompt per line (text)"
    )
    parser.add_argument(
        "--names",
        type=Path,
        nargs="*",
        default=[],
        help="files of names, as lines or as a JSON list of objects (text)",
    )
    parser.add_argument("--maps", type=int, default=8, help="maps per picture (edges, colors; default: %(default)s)")
    parser.add_argument("--cells", type=int, default=500, help="cells per map (edges; default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="training epochs (edges, colors; default: %(default)s)")
    parser.add_argument("--objects", type=Path, help="folder with objects.json (planes)")
    parser.add_argument("--steps", type=int, default=16000, help="training steps (planes; default: %(default)s)")
    parser.add_argument(
        "--sample", type=int, default=300, help="pictures to use (budget, planes; default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=TABLES, help="folder to write to (default: codec/tables)")
    options = parser.parse_args()
    if options.pictures is None and options.table != "shades":
        parser.error(f"the table {options.table} needs pictures: name their folder with --pictures")
    if options.objects is None and options.table == "planes":
        parser.error("the table planes needs objects: name their folder with --objects")
    table = _build(options)
    with (options.output / f"{options.table}-{VERSION}.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **table)
    return 0


def _build(options: argparse.Namespace) -> Mapping[str, NDArray[np.generic]]:
    if options.table == "shades":
        return table_shades.build()
    if options.table == "text":
        prompts = [prompt for path in options.prompts for prompt in read_prompts(path)]
        names = [name for path in options.names for name in read_names(path)]
        return table_text.build(prompts, [*style_texts(options.pictures), *names])
    tiles = read_tiles(options.pictures)
    if options.table == "budget":
        return table_budget.build(options.pictures, tiles, pictures=options.sample)
    if options.table == "planes":
        return table_planes.build(
            options.pictures, options.objects, tiles, pictures=options.sample, steps=options.steps
        )
    if options.table == "colors":
        return table_colors.build(options.pictures, tiles, maps=options.maps, epochs=options.epochs)
    return table_edges.build(options.pictures, tiles, maps=options.maps, cells=options.cells, epochs=options.epochs)


if __name__ == "__main__":
    sys.exit(main())
