"""`layercast bench codec`: bytes, fidelity and time of the codec, beside Brotli and JPEG XL."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import progress, report, show_line, show_table, show_thresholds

if TYPE_CHECKING:
    from rich.progress import Progress

    from evaluation.codec import CodecReport

_Item = TypeVar("_Item")


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subject."""
    parser = add_command(
        subparsers,
        "codec",
        "Measure bytes, fidelity and time of the codec beside Brotli and JPEG XL, in one run",
        "layercast bench codec --images pictures/ --prompts prompts.txt more.txt --json",
    )
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="folder of pictures, which are measured at 512x512"
    )
    parser.add_argument(
        "--prompts", type=Path, required=True, nargs="+", metavar="FILE", help="text files with one prompt per line"
    )
    parser.add_argument(
        "--limit", type=int, default=40, metavar="N", help="at most this many pictures (default: %(default)s)"
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure everything, and report."""
    from evaluation.codec import measure_codec

    with progress(quiet=options.quiet) as bars:
        measured = measure_codec(options.images, options.prompts, options.limit, _Tracker(bars))
    if options.json:
        report(asdict(measured) | {"bars": [asdict(bar) | {"met": bar.met} for bar in measured.bars]})
        return
    _show(measured)


class _Tracker:
    """Shows the progress of each part."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars

    def __call__(self, items: Sequence[_Item], about: str) -> Iterable[_Item]:
        task = self._bars.add_task(about, total=len(items), note="")
        for place, item in enumerate(items, 1):
            yield item
            self._bars.update(task, completed=place, note=f"{place}/{len(items)}")
        self._bars.remove_task(task)


def _show(measured: "CodecReport") -> None:
    show_table(
        ("text", "prompts", "bytes", "Brotli", "ratio", "worst"),
        [_row(r.name, r.prompts, r.mean_bytes, r.brotli_bytes, r.ratio, f"{r.worst:+d}") for r in measured.texts],
    )
    show_line("")
    show_table(
        ("lines, beside JPEG XL of a map of", "pictures", "bytes", "F1", "JPEG XL", "its F1", "ratio", "unmatched"),
        [
            _row(f"{r.side} cells", r.pictures, r.mean_bytes, r.f1, r.jpegxl_bytes, r.jpegxl_f1, r.ratio, r.unmatched)
            for r in measured.lines
        ],
    )
    show_line("")
    nesting = measured.nesting
    sides = "/".join(map(str, nesting.sides))
    show_table(
        ("nested lines", "bytes", "finest level only", "ratio"),
        [_row(sides, nesting.nested_bytes, nesting.alone_bytes, nesting.ratio)],
    )
    show_line("")
    show_table(
        ("omitted contours", "bytes", "F1"),
        [
            _row(
                "none" if point.cluttered else f"clutter, and shorter than {point.shortest} pixels",
                point.mean_bytes,
                point.f1,
            )
            for point in measured.pruning
        ],
    )
    show_line("")
    colors = measured.colors
    show_table(
        ("colours", "bytes", "maximum", "CIEDE2000"),
        [_row("8x8", colors.mean_bytes, colors.most_bytes, colors.difference)],
    )
    show_line("")
    show_table(
        ("whole stream", "bytes", "maximum", "bpp", "text", "lines", "colours", "rest", "F1", "CIEDE2000"),
        [
            _row(f"budget {r.budget}", r.mean_bytes, r.most_bytes, r.bpp, r.text, r.lines, r.colors)
            + _row(r.container, r.f1, r.difference)
            for r in measured.streams
        ],
    )
    show_line("")
    speed = measured.speed
    show_table(
        ("speed on one core, median", "encode, ms", "decode, ms", "cold start, s"),
        [_row(f"{measured.pictures} pictures", 1000 * speed.encode_s, 1000 * speed.decode_s, speed.start_s)],
    )
    show_line("")
    show_thresholds(measured.bars)


def _row(*cells: str | int | float) -> list[str]:
    return [f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells]
