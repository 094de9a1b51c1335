"""Rate-distortion curves in CompressAI's JSON, which its plot tool draws beside its own reference curves.

Format: InterDigitalInc/CompressAI, `results/image/kodak/jpeg.json` and `compressai/utils/plot/__main__.py`: a name, a
description, and under `results` lists with one entry for each rate, among them `bpp`.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from evaluation.rate_distortion.files import Results
from evaluation.rate_distortion.summary import Mean
from layercast_common.files import make_folder, save_whole

#: Folder of the curves, in the folder of the results.
FOLDER = "compressai"

#: CompressAI's names of figures; the others keep ours.
NAMES = {"psnr": "psnr-rgb", "ms_ssim_rgb": "ms-ssim-rgb"}


def curve_of(results: Results, contender: str) -> dict[str, Any] | None:
    """Return the curve of a contender; None if there is no budget into which all pictures fit.

    Its `bpp` are those of the files that are best in the first figure; other formats may take another file of at most
    the same budget for another figure.
    """
    means = [mean for mean in results.means if mean.contender == contender and not mean.missing]
    by_figure: dict[str, list[Mean]] = {name: [] for name in results.figures}
    for mean in means:
        by_figure[mean.figure].append(mean)
    first = by_figure[results.figures[0]]
    if not first:
        return None
    curve: dict[str, list[float]] = {"bpp": [mean.bpp for mean in first]}
    curve |= {NAMES.get(name, name): [mean.value for mean in found] for name, found in by_figure.items()}
    curve["encoding_time"] = [mean.encode_s for mean in first]
    curve["decoding_time"] = [mean.decode_s for mean in first]
    about = f"{results.contenders[contender]}. {len(results.pictures)} pictures. layercast {results.version}"
    return {"name": contender, "description": about, "results": curve}


def write_curves(results: Results, folder: Path) -> list[Path]:
    """Write a file for each contender into `compressai/`, and return the files.

    Raises:
        StorageError: a file cannot be written.
    """
    make_folder(folder / FOLDER)
    written = []
    for contender in results.contenders:
        curve = curve_of(results, contender)
        if curve is not None:
            written.append(folder / FOLDER / f"{file_name(contender)}.json")
            save_whole(msgspec.json.format(msgspec.json.encode(curve), indent=2), written[-1])
    return written


def file_name(contender: str) -> str:
    """Return a contender's name with nothing but letters, digits, dots and hyphens."""
    return re.sub(r"[^\w.]+", "-", contender).strip("-.") or "contender"
