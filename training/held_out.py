"""Write the pictures and prompts held out of training, to measure on with `layercast bench` and `evaluation`.

Each picture NAME.png gets a prompt made from its labels in NAME.txt. Of each file of prompts, the held-out part is
written to the folder `prompts`.

example:
    python -m training.held_out --data DATA --prompts prompts/*.txt --out build/held-out --count 40
"""

import argparse
from pathlib import Path

from training.data.prompts import is_held_out_prompt, read_prompts
from training.data.tiles import Tile, load_tile, read_tiles


def prompt_of(tile: Tile) -> str:
    """Return a prompt for a picture, made from its labels."""
    return ", ".join([tile.subject or "picture", *(name.lower() for name in tile.categories[:4])])


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tiles.jsonl and sheets/")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--count", type=int, default=40, help="number of pictures (default: %(default)s)")
    parser.add_argument("--prompts", type=Path, nargs="*", default=[], help="text files with one prompt per line")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    tiles = [tile for tile in read_tiles(options.data) if tile.held_out]
    # Pictures evenly spread over all sheets.
    for tile in tiles[:: max(1, len(tiles) // options.count)][: options.count]:
        stem = f"{Path(tile.sheet).stem}-{tile.box[0]}-{tile.box[1]}"
        load_tile(options.data, tile).save(options.out / f"{stem}.png")
        (options.out / f"{stem}.txt").write_text(prompt_of(tile) + "\n", encoding="utf-8")
    for path in options.prompts:
        (options.out / "prompts").mkdir(exist_ok=True)
        prompts = [prompt for prompt in read_prompts(path) if is_held_out_prompt(prompt)]
        (options.out / "prompts" / path.name).write_text("\n".join(prompts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
