"""Bytes, fidelity and time of the codec over a folder of pictures: `python -m evaluation.codec --images DIR`."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.bitstream import Bitstream
from codec.contours import agreement
from codec.encoding import encode
from codec.layers import EdgeMap, Layer
from codec.perception import ciede2000, to_lab
from codec.pictures import fit_to_canvas, load_picture
from layercast_errors import LayercastError, UsageError

#: Canny's thresholds of the lines that decoded ones are held against.
REFERENCE_CANNY = (100, 200)

#: How far a line may be from where it should be, in pixels.
TOLERANCE = 4.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one picture took and gave.

    Attributes:
        total: bytes of the stream.
        container: bytes of header, end and nothing else.
        text: bytes of the semantic layer.
        lines: bytes of the structure layer.
        colors: bytes of the texture layer.
        f1: of the decoded lines against Canny's on the picture, within `TOLERANCE` pixels.
        difference: mean CIEDE2000 of the decoded colours against the cells' averages.
        encode_s: seconds to encode.
        decode_s: seconds to decode.
    """

    total: float
    container: float
    text: float
    lines: float
    colors: float
    f1: float
    difference: float
    encode_s: float
    decode_s: float


def measure(picture: NDArray[np.uint8], prompt: str, budget: int | None = None) -> Measured:
    """Encode and decode one picture.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        prompt: what it shows.
        budget: bytes; the default budget if not given.
    """
    start = time.perf_counter()
    stream = encode(picture, prompt, budget=budget)
    data = stream.to_bytes()
    encoded = time.perf_counter()
    priors = Bitstream.from_bytes(data).decode()
    decoded = time.perf_counter()

    height, width = picture.shape[:2]
    reference = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), *REFERENCE_CANNY)
    lines = (
        priors.structure.to_image() if isinstance(priors.structure, EdgeMap) else np.zeros((height, width), np.uint8)
    )
    difference = float("nan")
    if priors.texture is not None:
        rows, columns = priors.texture.colors.shape[:2]
        cells = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
        difference = float(ciede2000(to_lab(np.asarray(cells, np.uint8)), to_lab(priors.texture.colors)).mean())
    return Measured(
        total=len(data),
        container=stream.size_of(None),
        text=stream.size_of(Layer.SEMANTIC),
        lines=stream.size_of(Layer.STRUCTURE),
        colors=stream.size_of(Layer.TEXTURE),
        f1=agreement(lines, np.asarray(reference, np.uint8), TOLERANCE),
        difference=difference,
        encode_s=encoded - start,
        decode_s=decoded - encoded,
    )


def mean_of(results: Sequence[Measured]) -> Measured:
    """The mean of every figure, of those pictures that have it."""
    return Measured(
        **{field.name: float(np.nanmean([getattr(r, field.name) for r in results])) for field in fields(Measured)}
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.codec", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of pictures, measured on a 512x512 canvas")
    parser.add_argument("--prompts", type=Path, required=True, help="text file with a prompt a line; reused in turn")
    parser.add_argument("--budget", type=int, help="bytes a picture (0.02 bits per pixel if not given)")
    parser.add_argument("--limit", type=int, default=40, help="most pictures to measure (default 40)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args(arguments)
    try:
        results = measure_folder(options.images, options.prompts, options.budget, options.limit)
    except (LayercastError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    mean = asdict(mean_of(results))
    text = json.dumps({"pictures": len(results), "mean": mean}) if options.json else _table(len(results), mean)
    print(text)  # noqa: T201
    return 0


def measure_folder(images: Path, prompts: Path, budget: int | None, limit: int) -> list[Measured]:
    """Measure every picture of a folder, each with one of the prompts.

    Raises:
        UsageError: there is no picture, or no prompt.
    """
    lines = [line for line in prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    paths = sorted(path for path in images.iterdir() if path.suffix.lower() in (".png", ".webp", ".jpg", ".jpeg"))
    if not lines or not paths:
        raise UsageError(f"there is no picture in {images}, or no prompt in {prompts}")
    pictures = [fit_to_canvas(load_picture(path).image, (512, 512)) for path in paths[:limit]]
    # The first run compiles, or loads what was compiled: no picture should be charged with it.
    measure(pictures[0], lines[0], budget)
    return [measure(picture, lines[index % len(lines)], budget) for index, picture in enumerate(pictures)]


def _table(count: int, mean: dict[str, float]) -> str:
    rows = [f"mean of {count} pictures"]
    rows += [f"  {name:<10} {value * 1000:8.1f} ms" for name, value in mean.items() if name.endswith("_s")]
    rows[1:1] = [f"  {name:<10} {value:8.2f}" for name, value in mean.items() if not name.endswith("_s")]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
