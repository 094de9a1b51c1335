"""Stage 9: render the demo's pictures with the trained model, with their prompts in the PNG metadata.

Each is rendered from a prompt and from the edges and colours of one picture of the data set.

example:
    python -m training.mini.draw_samples --data DATA --pick George-Ault.webp:512:512="city street, painting, oil"
"""

import argparse
from pathlib import Path

import numpy as np
from PIL.PngImagePlugin import PngInfo

from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from receiver.rendering import load_model, render
from training.data.tiles import load_tile, read_tiles

#: Most bytes of each picture's layers: more than the demo sends, so that the pictures have detail to lose.
BUDGET = 1200


def draw(data: Path, picks: list[str], model_name: str, folder: Path) -> None:
    """Render every pick, SHEET:LEFT:TOP=PROMPT, into `folder`, as 01.png, 02.png and so on."""
    tiles = {f"{tile.sheet}:{tile.box[0]}:{tile.box[1]}": tile for tile in read_tiles(data)}
    model = load_model(model_name)
    for number, pick in enumerate(picks, 1):
        place, _, prompt = pick.partition("=")
        stream = encode(np.asarray(load_tile(data, tiles[place])), prompt, EncodeOptions(budget=BUDGET, seed=number))
        image = None
        for frame in render(stream.decode(), stream.header.seed, model=model):
            image = frame.image
        assert image is not None
        info = PngInfo()
        info.add_text("parameters", f"{prompt}\nSteps: {model.settings.steps}, Seed: {number}, Model: {model.name}")
        image.save(folder / f"{number:02}.png", pnginfo=info, optimize=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tiles.jsonl and sheets/")
    parser.add_argument(
        "--pick",
        action="append",
        required=True,
        metavar="SHEET:LEFT:TOP=PROMPT",
        help="a picture by its sheet and corner in pixels, and its prompt; repeat for more",
    )
    parser.add_argument(
        "--model", default="mini", help="registered name, folder or hub id of the model (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("layercast/samples"), help="existing folder to write to (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    draw(options.data, options.pick, options.model, options.out)


if __name__ == "__main__":
    main()
