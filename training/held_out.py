"""Write pictures that were kept out of training, with their prompts beside them, for `evaluation` to measure on.

python -m training.held_out --data DATA --out DIR --count 40
"""

import argparse
from pathlib import Path

from training.data import Tile, load_tile, read_tiles


def prompt_of(tile: Tile) -> str:
    """What a person would say of the picture from its labels."""
    return ", ".join([tile.subject or "picture", *(name.lower() for name in tile.categories[:4])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tiles.jsonl and sheets/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=40)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    held_out = [tile for tile in read_tiles(options.data) if tile.held_out]
    # Spread over all sheets instead of all pictures of the first ones.
    for tile in held_out[:: max(1, len(held_out) // options.count)][: options.count]:
        stem = f"{Path(tile.sheet).stem}-{tile.box[0]}-{tile.box[1]}"
        load_tile(options.data, tile).save(options.out / f"{stem}.png")
        (options.out / f"{stem}.txt").write_text(prompt_of(tile) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
