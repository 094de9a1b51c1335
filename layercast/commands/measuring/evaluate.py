"""`layercast evaluate`: rate and distortion of layercast and of other formats on a folder of pictures."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.encoding import add_encoding
from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import progress, report, say
from layercast_common.errors import LayercastError, UsageError

if TYPE_CHECKING:
    from evaluation.rate_distortion.run import FinishedPart

_DETAILS = """\
Every picture is encoded at each budget, like `layercast encode`, and rendered like a receiver does. Each other format
is taken at its best: for each figure, the scale and the quality of at most the budget that give the best value, scaled
up with the better of bicubic and Lanczos. Bytes are those of whole files. The output folder keeps what was measured: a
run that was stopped goes on where it was, and a second run measures only what has changed.

written to the output folder:
  report.html                     curves, tables and pictures on one page, which loads nothing
  results.json, summary.csv, per-picture.csv, bd-rate.csv
  compressai/NAME.json            curves for `python -m compressai.utils.plot`
  plots/FIGURE.svg, .png          rate-distortion curves
  sheet.webp                      original, text, + lines, + colours, each budget, and other formats"""

_EXAMPLES = """\
examples:
  layercast evaluate --images pictures/ -o results/ --jobs 2
  layercast evaluate --images pictures/ -o results/ --codecs layercast,webp --budgets 330,655 --blind blind.html
  layercast evaluate --images kodak/ -o results/ --protocol kodak --weights weights/
  layercast evaluate --images pictures/ -o results/ --without structure,restoration --codecs layercast
  layercast evaluate --images pictures/ -o results/ --metric "butteraugli-:butteraugli_main"
  layercast evaluate --compare before/results.json after/results.json"""

#: What is compared if the user does not choose, and the budgets in bytes.
_CODECS, _BUDGETS = "layercast,webp,avif,jxl,jpeg", "160,330,655,1300,2600,5200"


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "evaluate", "Measure rate and distortion on a folder of pictures, beside other formats", ""
    )
    parser.description, parser.epilog = f"{parser.description}\n\n{_DETAILS}", _EXAMPLES
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the results")
    _add_measuring(parser)
    _add_reporting(parser)
    add_encoding(parser, many=True)
    rendering = parser.add_argument_group("rendering")
    rendering.add_argument("--model", default="mini", metavar="NAMES", help="one or more models (default: %(default)s)")
    rendering.add_argument("--seeds", default="0", metavar="N", help="one or more seeds (default: %(default)s)")
    rendering.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the model's own)")
    rendering.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    rendering.add_argument(
        "--without",
        default="",
        metavar="PARTS",
        help="measure again with each of these switched off: semantic, structure, texture, detail, restoration",
    )
    rendering.add_argument(
        "--levels", action="store_true", help="measure also what is shown when only the first layers have come"
    )
    add_json(parser)
    return parser


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is measured")
    group.add_argument(
        "--codecs",
        default=_CODECS,
        metavar="NAMES",
        help="what is compared: layercast, jpeg, webp, avif, jxl (default: %(default)s)",
    )
    group.add_argument(
        "--budgets", default=_BUDGETS, metavar="BYTES", help="most bytes of a file, one or more (default: %(default)s)"
    )
    group.add_argument(
        "--figures", metavar="NAMES", help="figures of quality, such as psnr,ssim,gmsd (default: all without weights)"
    )
    group.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME:COMMAND",
        help="measure with a command, too: it gets the original, the picture and a file to write a number into; "
        "a NAME that ends in - has less as better; may be repeated",
    )
    group.add_argument(
        "--weights", type=Path, metavar="DIR", help="measure LPIPS, DISTS and CLIP similarity with these"
    )
    group.add_argument(
        "--protocol", choices=("kodak", "clic", "agiqa"), help="check the pictures, and take size and figures from it"
    )
    group.add_argument("--count", type=int, metavar="N", help="measure N pictures, evenly spread (default: all)")
    group.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: %(default)s)")


def _add_reporting(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reports")
    group.add_argument("--sheet", type=int, default=4, metavar="N", help="pictures on sheet.webp (default: 4)")
    group.add_argument("--abreast", type=int, default=1, metavar="N", help="its rows side by side (default: 1)")
    group.add_argument(
        "--blind",
        type=Path,
        metavar="FILE",
        help="write a page that shows ours and the best other format in pairs without names, and counts choices",
    )
    group.add_argument(
        "--by", metavar="FIGURE", help="figure that chooses the other formats' files to show (default: SSIMULACRA2)"
    )
    group.add_argument("--anchor", metavar="NAME", help="what BD-rates compare with (default: the first other format)")
    group.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("BEFORE", "AFTER"),
        help="measure nothing: compare two results, and fail if one has become worse",
    )
    group.add_argument(
        "--tolerance",
        type=float,
        default=1.0,
        metavar="X",
        help="steps of a figure that may be lost: 0.1 dB, 0.005 of SSIM, 0.003 of GMSD, 1 %% of bytes, ... "
        "(default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Measure, write the files, and report; or compare two results."""
    if options.compare:
        _compare(options)
        return
    if options.images is None or options.output is None:
        raise UsageError("name the pictures and the folder of the results: --images DIR -o DIR (or --compare A B)")
    from dataclasses import replace

    from evaluation.rate_distortion.files import with_means
    from evaluation.rate_distortion.report.writing import check_options, write_reports
    from evaluation.rate_distortion.run import measure
    from layercast.commands.measuring.evaluate_run import plan, reporting
    from layercast.commands.measuring.evaluate_tables import show_results

    run_options, results = plan(options)
    report_options = reporting(options)
    check_options(run_options, report_options)
    total = len(run_options.pictures) * len(run_options.contenders)
    with progress(quiet=options.quiet) as bars:
        task = bars.add_task("measuring", total=total, note=f"0/{total}")

        def show(done: "FinishedPart") -> None:
            bars.advance(task)
            bars.update(task, note=f"{bars.tasks[task].completed:.0f}/{total}, {done.points[0].picture}")

        results = with_means(results, measure(run_options, show))
        bars.update(task, note="writing reports")
        reported = write_reports(run_options, results, report_options)
    if options.json:
        found = {"verdicts": reported.verdicts, "bd_rates": reported.deltas, "pairs": reported.pairs}
        report(_plain(replace(results, points=())) | _plain(found))
    else:
        show_results(results, reported)
    say(f"results in {options.output}", quiet=options.quiet)


def _plain(value: object) -> dict[str, object]:
    """Return an object with dataclasses as dicts, and NaN as null."""
    import json

    import msgspec

    plain: dict[str, object] = json.loads(msgspec.json.encode(value))
    return plain


def _compare(options: argparse.Namespace) -> None:
    from evaluation.rate_distortion.comparing import compare_results, worse
    from evaluation.rate_distortion.files import read_results
    from layercast.commands.measuring.evaluate_tables import show_changes

    if options.tolerance < 0:
        raise UsageError(f"a tolerance is 0 or more steps, not {options.tolerance:g}")
    changes = compare_results(*(read_results(path) for path in options.compare))
    lost = worse(changes, options.tolerance)
    if options.json:
        report(_plain({"changes": changes, "worse": lost, "tolerance": options.tolerance}))
    else:
        show_changes(changes, lost)
    if lost:
        raise LayercastError(f"{len(lost)} of {len(changes)} means are worse by more than {options.tolerance:g} steps")
