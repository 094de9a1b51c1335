"""Quality after every section of a stream: does each one improve the picture?

python -m evaluation.quality.sections --images DIR [--model mini] [--budget 4000]

Prints the mean PSNR after each section of colours and detail, and the largest loss that a section caused in a single
picture. Exit code 1 if the mean does not rise with every section, or a picture loses more than 0.1 dB.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from rich.console import Console
from rich.progress import track

from codec.canvas import fit_to_canvas
from codec.container.bitstream import Bitstream, Coder
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.image_io import load_picture
from codec.layers import EdgeMap
from evaluation.quality.reference import psnr

if TYPE_CHECKING:
    from receiver.rendering.restoration.restorer import Restorer

#: Largest loss of a single picture, in dB.
MAX_LOSS = 0.1

_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


class Summary(TypedDict):
    """The result: PSNR in dB, and whether every section improves the pictures."""

    means: list[float]
    smallest_gain: float
    largest_loss: float
    passed: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.quality.sections",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--model", metavar="FOLDER", help="restore with this model: mini, or a folder")
    parser.add_argument("--budget", type=int, default=4000, help="bytes of a stream (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    paths = sorted(path for path in options.images.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not paths:
        sys.stderr.write(f"error: no pictures (.png, .webp, .jpg) in {options.images}\n")
        return 1
    restorer = None if options.model is None else _load_restorer(options.model)
    curves = [
        measure(path, options.budget, restorer)
        for path in track(paths, "measuring", console=Console(stderr=True), transient=True)
    ]
    report = summarise(curves)
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        for number, mean in enumerate(report["means"], 1):
            sys.stdout.write(f"section {number:2}: {mean:.2f} dB\n")
        sys.stdout.write(f"smallest mean gain {report['smallest_gain']:.2f} dB, ")
        sys.stdout.write(f"largest loss of a picture {report['largest_loss']:.2f} dB\n")
    return 0 if report["passed"] else 1


def _load_restorer(model: str) -> "Restorer | None":
    from receiver.rendering import load_model

    return load_model(model, "cpu", performance="plain").restoration


def measure(path: Path, budget: int, restorer: "Restorer | None") -> list[float]:
    """Return the PSNR of a picture after each section of bit planes, in dB."""
    stream = encode_picture(path, EncodeOptions(budget=budget)).stream
    picture = fit_to_canvas(load_picture(path).image, stream.header.canvas)
    ends = [end for end, section in enumerate(stream.sections, 1) if section.coder == Coder.PLANES]
    figures = []
    for end in ends:
        priors = Bitstream(stream.header, stream.sections[:end]).decode()
        if priors.plane is not None:
            lines = priors.structure if isinstance(priors.structure, EdgeMap) else None
            restored = priors.plane.to_image() if restorer is None else restorer.restore(priors.plane, lines)
            figures.append(psnr(restored, picture))
    return figures


def summarise(curves: Sequence[Sequence[float]]) -> Summary:
    """Return the means over pictures that have each section, the smallest mean gain, and the largest loss.

    Args:
        curves: PSNR after each section, for every picture.
    """
    most = max(len(curve) for curve in curves)
    means = [float(np.mean([curve[place] for curve in curves if len(curve) > place])) for place in range(most)]
    gains = [np.diff(curve) for curve in curves]
    by_place = [np.mean([gain[place] for gain in gains if len(gain) > place]) for place in range(most - 1)]
    smallest = float(min(by_place, default=0.0))
    loss = float(max((-gain.min() for gain in gains if gain.size), default=0.0))
    return {
        "means": means,
        "smallest_gain": smallest,
        "largest_loss": max(loss, 0.0),
        "passed": smallest > 0 and loss <= MAX_LOSS,
    }


if __name__ == "__main__":
    sys.exit(main())
