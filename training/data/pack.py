"""Stage 1: crop every picture to 256 pixels, compose the scenes, and pack all of them into one array.

example:
    python -m training.data.pack --data DATA --objects OBJECTS
"""

import argparse
import logging
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from tqdm import tqdm

from training.data.scenes import plan_scenes, read_things
from training.data.tiles import Rows, Source, add_source_options, add_work_option, choose_views, read_tiles
from training.sizes import MINI, SMOKE, SMOKE_PICTURES

#: Side of a packed picture, in pixels.
SIZE = 256

#: Held-out scenes: they show the objects of training in other places and on other grounds.
HELD_OUT_SCENES = 100


def plan(source: Source, *, crops: int, scenes: int, limit: int | None, seed: int) -> dict[str, Rows]:
    """Return the rows of each split, by its name.

    Args:
        source: the folders of the data set.
        crops: random crops of each training picture, in addition to the whole one.
        scenes: composed pictures of the training split.
        limit: most pictures of a split; None for all.
        seed: of crops and scenes.
    """
    tiles = read_tiles(source.data)
    things = read_things(source.objects) if source.objects else []
    splits = {}
    for name, held_out in (("train", False), ("held_out", True)):
        chosen = [tile for tile in tiles if tile.held_out is held_out][:limit]
        count = 0 if not things else min(scenes, HELD_OUT_SCENES) if held_out else scenes
        splits[name] = Rows(
            tiles=chosen,
            views=list(choose_views(chosen, 0 if held_out else crops, seed)),
            scenes=list(plan_scenes(things, count, len(chosen), seed + held_out)) if chosen else [],
        )
    return splits


def pack(source: Source, work: Path, splits: dict[str, Rows]) -> None:
    """Write `train.npy`, `held_out.npy` ((N, 256, 256, 3) uint8 RGB) and their rows as `*.json` into `work`."""
    work.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        # Written under a temporary name first, so that an existing file is always complete.
        unfinished = work / f"{name}.part.npy"
        pictures = open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=(len(rows), SIZE, SIZE, 3))
        for row in tqdm(range(len(rows)), desc=name, mininterval=5):
            pictures[row] = rows.draw(row, source, SIZE)
        pictures.flush()
        rows.save(work / f"{name}.json")
        unfinished.replace(work / f"{name}.npy")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    add_work_option(parser)
    parser.add_argument("--crops", type=int, default=0, help="random crops per picture, in addition to the whole one")
    parser.add_argument("--scenes", type=int, default=3000, help="composed pictures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of crops and scenes (default: %(default)s)")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help=f"pack {SMOKE_PICTURES} pictures and {SMOKE_PICTURES} scenes only, and train tiny networks in all stages",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    source = Source(options.data, options.objects)
    scenes, limit = (SMOKE_PICTURES, SMOKE_PICTURES) if options.smoke else (options.scenes, None)
    (SMOKE if options.smoke else MINI).save(options.work)
    splits = plan(source, crops=options.crops, scenes=scenes, limit=limit, seed=options.seed)
    pack(source, options.work, splits)


if __name__ == "__main__":
    main()
