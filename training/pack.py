"""Stage 1: cut every picture to 256 pixels and pack them into one array.

python -m training.pack --data DATA --work build/training
"""

import argparse
import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from tqdm import tqdm

from training.data import choose_views, cut_view, load_tile, read_tiles

SIZE = 256


def pack(data: Path, work: Path, *, crops: int, limit: int | None, seed: int) -> None:
    """Write `train.npy`, `held_out.npy` ((N, 256, 256, 3) uint8 RGB) and their rows as `*.json` into `work`."""
    work.mkdir(parents=True, exist_ok=True)
    tiles = read_tiles(data)
    splits = {
        "train": [t for t in tiles if not t.held_out][:limit],
        "held_out": [t for t in tiles if t.held_out][:limit],
    }
    for name, chosen in splits.items():
        views = list(choose_views(chosen, crops if name == "train" else 0, seed))
        pictures = open_memmap(work / f"{name}.npy", mode="w+", dtype=np.uint8, shape=(len(views), SIZE, SIZE, 3))
        for row, view in enumerate(tqdm(views, desc=name, mininterval=5)):
            pictures[row] = cut_view(load_tile(data, chosen[view.tile]), view, SIZE)
        pictures.flush()
        rows = {"tiles": [dataclasses.asdict(t) for t in chosen], "views": [dataclasses.asdict(v) for v in views]}
        (work / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with tiles.jsonl and sheets/")
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument("--crops", type=int, default=1, help="random cuts per picture beside the whole one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="16 pictures only")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pack(options.data, options.work, crops=options.crops, limit=16 if options.smoke else None, seed=options.seed)


if __name__ == "__main__":
    main()
