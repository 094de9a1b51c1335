"""Measure the quality of rendered pictures at each level, against other formats of at least the same size in bytes.

Every picture is encoded like `layercast encode` (its prompt from NAME.txt beside it, or from its metadata) and rendered
at each level. The other formats get the same number of bytes or more, each at the best of several scales for every
figure. Figures, at canvas size: F1 of edges within 4 pixels, Canny (100, 200) of the original against Canny (50, 100)
of the picture; GMSD; mean CIEDE2000 over 64-pixel cells; PSNR; SSIM; and seconds of the engine.

examples:
    python -m evaluation.pictures --images build/held-out --budget 330 655
    python -m evaluation.pictures --images build/held-out --sheet build/sheet.webp
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from evaluation.pictures.competitors import load_formats
from evaluation.pictures.measuring import PicturesResult, bars, draw_levels, measure_pictures
from evaluation.pictures.sheet import draw_sheet
from evaluation.quality.quality import Quality
from evaluation.thresholds import Threshold
from layercast_common.errors import LayercastError, UsageError

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Pictures on the contact sheet.
SHEET_PICTURES = 24

#: Columns of the table of figures.
COLUMNS = ("", "bytes", "edge F1", "GMSD", "dE2000", "PSNR", "SSIM", "first s", "all s")

_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, or 1 after an error on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.pictures", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of pictures, each with NAME.txt beside it")
    parser.add_argument(
        "--model", default="mini", help="registered name, folder or hub id of the model (default: %(default)s)"
    )
    parser.add_argument(
        "--budget", type=int, nargs="+", default=[330, 655], help="most bytes per picture (default: 330 655)"
    )
    parser.add_argument("--count", type=int, default=40, help="most pictures to measure (default: %(default)s)")
    parser.add_argument("--no-formats", action="store_true", help="do not measure other formats")
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE",
        help=f"write a contact sheet of {SHEET_PICTURES} pictures instead of measuring",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args(arguments)
    try:
        (_write_sheet if options.sheet else _measure)(options)
    except (LayercastError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _paths(options: argparse.Namespace, count: int) -> list[Path]:
    """Return pictures evenly spread over the folder, in order of their names."""
    paths = sorted(path for path in options.images.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not paths or count < 1:
        raise UsageError(f"no picture in {options.images}; use a folder with {', '.join(_SUFFIXES)} files")
    return paths[:: max(1, len(paths) // count)][:count]


def _load(name: str) -> "Model":
    from receiver.rendering import load_model

    return load_model(name)


def _measure(options: argparse.Namespace) -> None:
    paths = _paths(options, options.count)
    formats = () if options.no_formats else load_formats()
    model = _load(options.model)
    results = [
        measure_pictures(model, _tracked(paths, f"{budget} bytes"), budget, formats) for budget in options.budget
    ]
    if options.json:
        facts = {"pictures": len(paths), "model": options.model, "device": str(model.device)}
        sys.stdout.write(json.dumps({**facts, "results": [asdict(result) for result in results]}) + "\n")
        return
    console = Console()
    for result in results:
        console.print(
            f"{len(paths)} pictures, {result.mean_bytes:.0f} bytes of {result.budget}; {model.name}, {model.device}"
        )
        console.print(_table(COLUMNS, _rows(result)))
        console.print(_table(("bar", "figure", "bound", ""), [_bar_row(bar) for bar in bars(result)]))


def _tracked(paths: Sequence[Path], about: str) -> Iterable[Path]:
    return track(paths, about, console=Console(stderr=True), transient=True)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _bar_row(bar: Threshold) -> list[str]:
    bound = f"{'>=' if bar.at_least else '<='} {bar.bound:.3f}"
    return [bar.what, f"{bar.figure:.3f}", bound, "met" if bar.met else "missed"]


def _rows(result: PicturesResult) -> list[list[str]]:
    rows = []
    for name, level in result.levels.items():
        rows.append([name, "", *_figures(level.quality), f"{level.first_s:.2f}", f"{level.seconds:.2f}"])
    for name, entry in result.formats.items():
        rows.append([name, f"{entry.mean_bytes:.0f}", *_figures(entry.quality), "", ""])
    return rows


def _figures(quality: Quality) -> list[str]:
    f1, gmsd, difference, psnr, ssim = astuple(quality)
    return [f"{f1:.3f}", f"{gmsd:.3f}", f"{difference:.2f}", f"{psnr:.2f}", f"{ssim:.3f}"]


def _write_sheet(options: argparse.Namespace) -> None:
    formats = {codec.name: codec for codec in load_formats()}
    paths = _paths(options, SHEET_PICTURES)
    model = _load(options.model)
    cases = [draw_levels(model, path, options.budget[-1]) for path in _tracked(paths, "rendering")]
    draw_sheet(cases, formats["WebP"]).save(options.sheet, quality=85)


if __name__ == "__main__":
    sys.exit(main())
