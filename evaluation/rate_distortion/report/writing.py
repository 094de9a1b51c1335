"""Writes everything that a run produces into its folder."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.quality.figures import figure_of
from evaluation.rate_distortion.bd_rate import BdRate, bd_rates
from evaluation.rate_distortion.compressai import write_curves
from evaluation.rate_distortion.files import Results, write_results
from evaluation.rate_distortion.layercast_contender import LayercastContender
from evaluation.rate_distortion.pictures import spread
from evaluation.rate_distortion.report.blind import blind_page, find_pairs
from evaluation.rate_distortion.report.chosen import Gallery, progress_columns
from evaluation.rate_distortion.report.page import report_page
from evaluation.rate_distortion.report.plots import write_plots
from evaluation.rate_distortion.report.sheet import draw_sheet
from evaluation.rate_distortion.run import RunOptions
from evaluation.rate_distortion.summary import Verdict, verdicts_of
from layercast_common.errors import UsageError
from layercast_common.files import save_whole

#: Names of the files.
REPORT, SHEET, DELTAS = "report.html", "sheet.webp", "bd-rate.csv"

#: Other formats on the sheet, if they were measured.
SHEET_RIVALS = ("webp", "avif")

#: Figures that choose the best file of another format for the eye, best first.
BY = ("ssimulacra2", "ms_ssim_rgb", "ms_ssim", "ssim", "psnr")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What is written besides the result files.

    Attributes:
        anchor: the contender that Bjontegaard deltas compare with; the first other format if None.
        by: figure that chooses the shown file of another format; the first measured one of `BY` if None.
        sheet: pictures on the contact sheet; 0 for no sheet.
        abreast: rows of the sheet side by side.
        blind: file of the blind comparison; None for none.
    """

    anchor: str | None = None
    by: str | None = None
    sheet: int = 4
    abreast: int = 1
    blind: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a run found, beyond its results.

    Attributes:
        verdicts: comparisons with the best of the others, by contender.
        deltas: Bjontegaard deltas.
        pairs: pairs in the blind comparison.
    """

    verdicts: dict[str, list[Verdict]]
    deltas: Sequence[BdRate]
    pairs: int = 0


def write_reports(run: RunOptions, results: Results, options: ReportOptions) -> Reported:
    """Write the result files, curves, plots, the report, the contact sheet and the blind comparison.

    Raises:
        UsageError: an option names a contender or a figure that was not measured.
        MissingExtraError: a package for a report is not installed.
        StorageError: a file cannot be written.
    """
    write_results(results, run.output)
    write_curves(results, run.output)
    ours = [contender for contender in run.contenders if isinstance(contender, LayercastContender)]
    our_names = list(dict.fromkeys(contender.name for contender in ours))
    rivals = [name for name in results.contenders if name not in our_names]
    deltas = _deltas(results, options, [*rivals, *our_names])
    verdicts = {name: verdicts_of(results.points, name, rivals) for name in our_names}
    gallery = Gallery(run.contenders, results.points, _by(results, options))
    _write_deltas(deltas, run.output / DELTAS)
    write_plots(results, run.output)
    page = report_page(results, verdicts, deltas, gallery, (run.subject(path) for path in _spread_first(run.pictures)))
    save_whole(page, run.output / REPORT)
    if options.sheet and ours:
        subjects = [run.subject(path) for path in spread(run.pictures, options.sheet)]
        shown = [name for name in SHEET_RIVALS if name in rivals]
        columns = progress_columns(ours[0], gallery, subjects, run.budgets, shown)
        out = io.BytesIO()
        draw_sheet(columns, options.abreast).save(out, "WEBP", quality=88, method=6)
        save_whole(out.getvalue(), run.output / SHEET)
    pairs = 0
    if options.blind is not None:
        pairs = _write_blind(run, results, gallery, (our_names, rivals), options.blind)
    return Reported(verdicts=verdicts, deltas=deltas, pairs=pairs)


def check_options(run: RunOptions, options: ReportOptions) -> None:
    """Check options before anything is measured.

    Raises:
        UsageError: an option names a contender or a figure that is not measured, a sheet has less than no pictures, or
            a blind comparison has nothing to compare.
    """
    names = {contender.name: isinstance(contender, LayercastContender) for contender in run.contenders}
    if options.anchor is not None and options.anchor not in names:
        raise UsageError(f"the anchor is one of {', '.join(names)}, not {options.anchor!r}")
    if options.by is not None and options.by not in run.all_figures:
        raise UsageError(f"--by takes one of the measured figures, {', '.join(run.all_figures)}; not {options.by!r}")
    if options.blind is not None and len(set(names.values())) < 2:
        raise UsageError("a blind comparison needs layercast and another format: name both in --codecs")
    if options.sheet < 0 or options.abreast < 1:
        raise UsageError("a contact sheet has 0 or more pictures, and 1 or more abreast")


def _by(results: Results, options: ReportOptions) -> str:
    return options.by or next((name for name in BY if name in results.figures), results.figures[0])


def _deltas(results: Results, options: ReportOptions, names: Sequence[str]) -> list[BdRate]:
    return bd_rates(results.means, options.anchor or names[0]) if len(names) > 1 else []


def _write_deltas(deltas: Sequence[BdRate], path: Path) -> None:
    lines = ["figure,anchor,contender,percent,points_anchor,points,overlap,warning"]
    for delta in deltas:
        percent = "" if delta.percent is None else f"{delta.percent:.2f}"
        lines.append(
            f"{delta.figure},{delta.anchor},{delta.contender},{percent},{delta.points[0]},{delta.points[1]},"
            f'{delta.overlap:.3f},"{delta.warning}"'
        )
    save_whole("\n".join(lines) + "\n", path)


def _spread_first(paths: Sequence[Path]) -> list[Path]:
    """Return the pictures with a few evenly spread ones first, since a report may not hold all."""
    first = spread(paths, 8)
    return first + [path for path in paths if path not in first]


def _write_blind(
    run: RunOptions, results: Results, gallery: Gallery, names: tuple[Sequence[str], Sequence[str]], path: Path
) -> int:
    ours, rivals = names
    subjects = [run.subject(picture) for picture in run.pictures]
    pairs = find_pairs(gallery, ours[0], rivals, subjects, run.budgets)
    if not pairs:
        raise UsageError(f"no pair to compare: {figure_of(gallery.figure).label} was measured on no rival that fits")
    save_whole(blind_page(pairs, subjects, gallery.figure, results.command), path)
    return len(pairs)
