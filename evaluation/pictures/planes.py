"""Comparison of bit-plane streams with other formats at equal size. Other formats use their best scale per figure.

python -m evaluation.pictures.planes --images DIR [--model mini] [--budget 160 330 655 1300 2600 5200] [--no-formats]

The streams come from `layercast encode --order fidelity`. Sizes include the header, the framing and the prompt file
beside the picture. "planes" uses the inverse transform alone, "restored" also uses the model's restoration network.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from codec.canvas import fit_to_canvas
from codec.encoder.options import EncodeOptions, Order
from codec.encoder.picture import encode_picture
from codec.image_io import load_picture
from evaluation.pictures.competitors import candidates, load_formats
from evaluation.quality.gradients import gmsd
from evaluation.quality.similarity import ms_ssim, ssim

BUDGETS = (160, 330, 655, 1300, 2600, 5200)

if TYPE_CHECKING:
    from receiver.rendering.restoration.restorer import Restorer

FIGURES = ("PSNR", "SSIM", "MS-SSIM", "GMSD")

_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.pictures.planes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--model", metavar="FOLDER", help="also restore with this model: mini, or a folder")
    parser.add_argument("--budget", type=int, nargs="+", default=list(BUDGETS), help="sizes of whole streams in bytes")
    parser.add_argument("--count", type=int, default=24, help="maximum number of pictures (default: %(default)s)")
    parser.add_argument("--no-formats", action="store_true", help="do not measure other formats")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args(arguments)
    paths = sorted(path for path in options.images.iterdir() if path.suffix.lower() in _SUFFIXES)
    paths = paths[:: max(1, len(paths) // options.count)][: options.count]
    if not paths:
        sys.stderr.write(f"error: no pictures (.png, .webp, .jpg) in {options.images}\n")
        return 1
    formats = () if options.no_formats else load_formats()
    restorer = _load_restorer(options.model) if options.model else None
    rows: dict[tuple[int, str], list[list[float]]] = {}
    for path in track(paths, "measuring", console=Console(stderr=True), transient=True):
        for budget in options.budget:
            coded = encode_picture(path, EncodeOptions(order=Order.FIDELITY, budget=budget))
            picture = fit_to_canvas(load_picture(path).image, coded.stream.header.canvas)
            plane, size = coded.stream.decode().plane, len(coded.stream.to_bytes())
            if plane is None:
                continue
            rows.setdefault((budget, "planes"), []).append([size, *_figures(plane.to_image(), picture)])
            if restorer is not None:
                rows.setdefault((budget, "restored"), []).append([size, *_figures(restorer.restore(plane), picture)])
            for codec in formats:
                found = candidates(picture, budget, codec)
                each = np.array([_figures(coded.pixels, picture) for coded in found])
                best = [*each[:, :3].max(axis=0), each[:, 3].min()]
                rows.setdefault((budget, codec.name), []).append(
                    [float(np.mean([coded.size for coded in found])), *best]
                )
    means = {key: np.mean(value, axis=0) for key, value in rows.items()}
    if options.json:
        results = [
            {"budget": budget, "what": name, **dict(zip(("bytes", *FIGURES), map(float, mean), strict=True))}
            for (budget, name), mean in means.items()
        ]
        sys.stdout.write(json.dumps({"pictures": len(paths), "results": results}) + "\n")
    else:
        Console().print(_table(means))
    return 0


def _load_restorer(model: str) -> "Restorer":
    from receiver.rendering.model_files.files import RESTORATION_FOLDER
    from receiver.rendering.model_files.registry import MINI_FOLDER
    from receiver.rendering.restoration.restorer import Restorer

    return Restorer.load((MINI_FOLDER if model == "mini" else Path(model)) / RESTORATION_FOLDER)


def _figures(drawn: NDArray[np.uint8], picture: NDArray[np.uint8]) -> list[float]:
    gray, true_gray = (np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in (drawn, picture))
    error = float(np.mean((drawn.astype(np.float64) - picture) ** 2))
    psnr = float(10 * np.log10(255**2 / max(error, 1e-9)))
    return [psnr, ssim(gray, true_gray), ms_ssim(gray, true_gray), gmsd(gray, true_gray)]


def _table(means: dict[tuple[int, str], NDArray[np.float64]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(("budget", "", "bytes", *FIGURES)):
        table.add_column(name, justify="left" if number == 1 else "right")
    for (budget, name), (size, psnr, *others) in means.items():
        table.add_row(str(budget), name, f"{size:.0f}", f"{psnr:.2f}", *(f"{figure:.3f}" for figure in others))
    return table


if __name__ == "__main__":
    sys.exit(main())
