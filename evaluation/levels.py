"""What each layer brings to the rendered picture: `python -m evaluation.levels --images DIR --model mini`.

Every picture is encoded as `layercast encode` does (its prompt from NAME.txt beside it, or from its metadata), and
drawn at each level. Measured against the original at canvas size: F1 of edges within 4 pixels, Canny (100, 200) of the
original against Canny (50, 100) of the drawn picture; mean CIEDE2000 over 64-pixel cells; PSNR; and engine seconds.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.analysis.colors import CELL
from codec.composing import Recipe, compose
from codec.contours import agreement
from codec.layers import Layer, Priors
from codec.perception import ciede2000, to_lab
from codec.pictures import fit_to_canvas, load_picture
from evaluation.codec import REFERENCE_CANNY, TOLERANCE
from layercast_errors import LayercastError, UsageError
from receiver.rendering.direct import render

if TYPE_CHECKING:
    from receiver.rendering.models import Model

#: Canny's thresholds on drawn pictures, which are softer than originals.
DRAWN_CANNY = (50, 100)

#: The levels in the paper's order, by name.
LEVELS = {
    "semantic": (Layer.SEMANTIC,),
    "structure": (Layer.SEMANTIC, Layer.STRUCTURE),
    "texture": (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE),
}


@dataclass(frozen=True, slots=True)
class Quality:
    """How near a drawn picture is to the original, and what it took.

    Attributes:
        edge_f1: 0 to 1, more is better.
        color_difference: mean CIEDE2000 over cells of 64 pixels, less is better.
        psnr: in dB.
        first_frame_s: seconds until the first frame.
        seconds: seconds until the last frame.
    """

    edge_f1: float
    color_difference: float
    psnr: float
    first_frame_s: float
    seconds: float


def compare(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Edge F1, mean CIEDE2000 over 64-pixel cells, and PSNR; both pictures (H, W, 3) uint8 RGB of one size."""
    lines = [
        np.asarray(cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), *thresholds), np.uint8)
        for picture, thresholds in ((drawn, DRAWN_CANNY), (original, REFERENCE_CANNY))
    ]
    height, width = original.shape[:2]
    grid = (width // CELL, height // CELL)
    cells = [to_lab(np.asarray(cv2.resize(p, grid, interpolation=cv2.INTER_AREA), np.uint8)) for p in (drawn, original)]
    error = float(np.mean((drawn.astype(np.float64) - original) ** 2))
    psnr = 10 * np.log10(255**2 / max(error, 1e-9))
    return agreement(lines[0], lines[1], TOLERANCE), float(ciede2000(cells[0], cells[1]).mean()), float(psnr)


def measure(model: "Model", known: Priors, seed: int, original: NDArray[np.uint8]) -> Quality:
    """Draw `known` and compare the last frame with the original, (H, W, 3) uint8 RGB at canvas size."""
    started = time.perf_counter()
    first = None
    picture = None
    for frame in render(known, seed, model=model):
        first = first or time.perf_counter() - started
        picture = frame.image
    seconds = time.perf_counter() - started
    assert picture is not None
    assert first is not None
    return Quality(*compare(np.asarray(picture, np.uint8), original), first_frame_s=first, seconds=seconds)


def evaluate(images: Path, model_name: str, count: int) -> dict[str, object]:
    """Mean quality of each level over the first `count` pictures of a folder, and the mean size of a stream."""
    from receiver.rendering import load_model

    paths = sorted(p for p in images.iterdir() if p.suffix.lower() in (".png", ".webp", ".jpg", ".jpeg"))[:count]
    if not paths:
        raise UsageError(f"there is no picture in {images}")
    model = load_model(model_name)
    sizes = []
    results: dict[str, list[Quality]] = {name: [] for name in LEVELS}
    for path in paths:
        stream = compose(path, Recipe(model=model_name)).stream
        original = fit_to_canvas(load_picture(path).image, stream.header.canvas)
        sizes.append(len(stream.to_bytes()))
        priors = stream.decode()
        for name, layers in LEVELS.items():
            results[name].append(measure(model, priors.only(layers), stream.header.seed, original))
    means = {
        name: {f.name: float(np.mean([getattr(q, f.name) for q in qualities])) for f in fields(Quality)}
        for name, qualities in results.items()
    }
    slowest = {name: asdict(max(qualities, key=lambda q: q.seconds))["seconds"] for name, qualities in results.items()}
    return {
        "pictures": len(paths),
        "model": model_name,
        "device": str(model.device),
        "mean_bytes": float(np.mean(sizes)),
        "levels": means,
        "slowest_s": slowest,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.levels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of pictures, each with NAME.txt beside it")
    parser.add_argument("--model", default="mini", help="(default: %(default)s)")
    parser.add_argument("--count", type=int, default=40, help="most pictures to measure (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args(arguments)
    try:
        outcome = evaluate(options.images, options.model, options.count)
    except (LayercastError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(json.dumps(outcome) + "\n" if options.json else _table(outcome))
    return 0


def _table(outcome: dict[str, object]) -> str:
    levels = outcome["levels"]
    assert isinstance(levels, dict)
    lines = [
        f"{outcome['pictures']} pictures, {outcome['mean_bytes']:.0f} bytes; {outcome['model']}, {outcome['device']}",
        f"{'level':<10}{'edge F1':>9}{'dE2000':>9}{'PSNR':>8}{'first s':>9}{'all s':>8}",
    ]
    for name, mean in levels.items():
        lines.append(
            f"{name:<10}{mean['edge_f1']:>9.3f}{mean['color_difference']:>9.2f}{mean['psnr']:>8.2f}"
            f"{mean['first_frame_s']:>9.2f}{mean['seconds']:>8.2f}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
