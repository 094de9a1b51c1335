"""Write pictures and prompts that were kept out of training, for `layercast bench` and `evaluation` to measure on.

Each picture has what a person would say of it beside it; of each file of prompts the part that was kept out is written.

python -m training.held_out --data DATA --prompts prompts/*.txt --out DIR --count 40
"""

import argparse
from pathlib import Path

from training.data.tiles import Tile, load_tile, read_tiles
from training.tables.text import held_out, read_prompts


def prompt_of(tile: Tile) -> str:
    """What a person would say of the picture from its labels."""
    return ", ".join([tile.subject or "picture", *(name.lower() for name in tile.categories[:4])])


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tiles.jsonl and sheets/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=40, help="pictures (default: %(default)s)")
    parser.add_argument("--prompts", type=Path, nargs="*", default=[], help="text files, a prompt a line")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    tiles = [tile for tile in read_tiles(options.data) if tile.held_out]
    # Spread over all sheets instead of all pictures of the first ones.
    for tile in tiles[:: max(1, len(tiles) // options.count)][: options.count]:
        stem = f"{Path(tile.sheet).stem}-{tile.box[0]}-{tile.box[1]}"
        load_tile(options.data, tile).save(options.out / f"{stem}.png")
        (options.out / f"{stem}.txt").write_text(prompt_of(tile) + "\n", encoding="utf-8")
    for path in options.prompts:
        (options.out / "prompts").mkdir(exist_ok=True)
        prompts = [prompt for prompt in read_prompts(path) if held_out(prompt)]
        (options.out / "prompts" / path.name).write_text("\n".join(prompts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
