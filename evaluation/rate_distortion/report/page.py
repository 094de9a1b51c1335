"""report.html: curves, tables and pictures of a run on one page, which loads nothing."""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from evaluation.quality.figures import figure_of
from evaluation.rate_distortion.bd_rate import BdRate
from evaluation.rate_distortion.files import Results
from evaluation.rate_distortion.pictures import EvaluatedPicture
from evaluation.rate_distortion.report.chosen import Gallery
from evaluation.rate_distortion.report.html import data_url, embed, fill, static
from evaluation.rate_distortion.summary import Mean, Verdict

#: The most bytes of pictures in a report; the pictures beyond are left out.
MAX_PICTURES = 3_500_000


def report_page(
    results: Results,
    verdicts: dict[str, list[Verdict]],
    deltas: Sequence[BdRate],
    gallery: Gallery,
    subjects: Iterable[EvaluatedPicture],
) -> str:
    """Return the page.

    Args:
        results: the results.
        verdicts: comparisons with the best of the others, by contender.
        deltas: Bjontegaard deltas.
        gallery: the pictures of the run.
        subjects: the pictures to show, as long as they fit.
    """
    shown, originals = _pictures(results, gallery, subjects)
    anchor = deltas[0].anchor if deltas else ""
    data = {
        "contenders": list(results.contenders),
        "budgets": list(results.budgets),
        "by": figure_of(gallery.figure).label,
        "figures": [_about(name) for name in results.figures],
        "curves": {name: _curves(results, name) for name in results.figures},
        "verdicts": _verdict_table(verdicts),
        "deltas": _delta_table(deltas),
        "means": _mean_table(results),
        "shown": shown,
        "originals": originals,
    }
    facts = {
        "command": results.command,
        "version": results.version,
        "machine": results.machine,
        "pictures": f"{len(results.pictures)}: {', '.join(results.pictures)}",
        **results.contenders,
        **{f"left out: {name}": reason for name, reason in results.left_out.items()},
    }
    texts = {
        "TITLE": "Rate and distortion of layercast and other formats"
        if len(results.contenders) > 1
        else "Rate and distortion",
        "LEAD": html.escape(
            f"{len(results.pictures)} pictures. Bytes are those of whole files. Other formats take, for every figure, "
            "the scale and quality of at most the budget that are best for it."
        ),
        "VERDICTS": "A positive gain is better. The last column is the share of pictures on which ours is better than "
        "the best of the others for that picture. Formats into which not all pictures fit do not count for the mean.",
        "DELTAS": html.escape(
            f"Bytes more (+) or less (-) than {anchor} at equal quality: Bjontegaard deltas with Akima's splines. Few "
            "points, or curves that hardly overlap, make a delta doubtful: the last columns say so."
        ),
        "MEANS": "Mean and half of the 95 % interval over the pictures that fit.",
        "FACTS": "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in facts.items()),
        "STYLE": static("report.css"),
        "SCRIPT": static("report.js"),
        "DATA": embed(data),
    }
    return fill(static("report.html"), texts)


def _about(name: str) -> dict[str, Any]:
    figure = figure_of(name)
    return {
        "name": name,
        "label": figure.label,
        "unit": figure.unit,
        "less": figure.less_is_better,
        "digits": figure.digits,
    }


def _curves(results: Results, figure: str) -> list[dict[str, Any]]:
    curves = []
    for contender in results.contenders:
        means = [m for m in results.means if (m.contender, m.figure) == (contender, figure) and not m.missing]
        points = [
            {"budget": m.budget, "bytes": m.bytes, "bpp": m.bpp, "value": m.value, "interval": m.interval}
            for m in means
            if math.isfinite(m.value)
        ]
        curves.append({"contender": contender, "points": points})
    return curves


def _verdict_table(verdicts: dict[str, list[Verdict]]) -> dict[str, Any]:
    rows = []
    for name, found in verdicts.items():
        for verdict in found:
            figure = figure_of(verdict.figure)
            gain = f"{verdict.gain:+.{figure.digits}f}"
            rows.append(
                [
                    name,
                    f"{verdict.budget:,}",
                    figure.label,
                    f"{verdict.value:.{figure.digits}f}",
                    verdict.rival,
                    f"{verdict.rival_value:.{figure.digits}f}",
                    [gain, "good" if verdict.gain > 0 else "bad"],
                    f"{100 * verdict.wins:.0f} %",
                ]
            )
    head = ["", "at most, bytes", "figure", "value", "best other", "its value", "gain", "better pictures"]
    return {"head": head, "rows": rows}


def _delta_table(deltas: Sequence[BdRate]) -> dict[str, Any]:
    rows = []
    for delta in deltas:
        percent = (
            ["–", ""] if delta.percent is None else [f"{delta.percent:+.1f} %", "good" if delta.percent < 0 else "bad"]
        )
        points = f"{delta.points[0]} and {delta.points[1]}"
        label, overlap = figure_of(delta.figure).label, f"{100 * delta.overlap:.0f} %"
        rows.append([delta.contender, label, percent, points, overlap, [delta.warning, "note"]])
    return {"head": ["", "figure", "bytes", "points", "overlap", "doubts"], "rows": rows}


def _mean_table(results: Results) -> dict[str, Any]:
    found: dict[tuple[int, str, str], Mean] = {(m.budget, m.contender, m.figure): m for m in results.means}
    rows = []
    for budget in results.budgets:
        for name in results.contenders:
            cells = [found.get((budget, name, figure)) for figure in results.figures]
            first = next((mean for mean in cells if mean is not None), None)
            if first is None:
                rows.append([name, f"{budget:,}", "does not fit", *("" for _ in range(len(cells) + 3))])
                continue
            rows.append(
                [
                    name,
                    f"{budget:,}",
                    f"{first.bytes:.0f}",
                    *("" if mean is None else _with_interval(mean) for mean in cells),
                    f"{first.encode_s:.2f}",
                    f"{first.decode_s:.2f}",
                    f"{first.count} of {first.count + first.missing}",
                ]
            )
    labels = [figure_of(name).label for name in results.figures]
    return {"head": ["", "at most", "bytes", *labels, "encode, s", "decode, s", "fit"], "rows": rows}


def _with_interval(mean: Mean) -> str:
    digits = figure_of(mean.figure).digits
    return f"{mean.value:.{digits}f} ± {mean.interval:.{digits}f}"


def _pictures(
    results: Results, gallery: Gallery, subjects: Iterable[EvaluatedPicture]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the pictures by name and budget, and the originals, up to `MAX_PICTURES` bytes."""
    shown: dict[str, dict[str, Any]] = {}
    originals: dict[str, str] = {}
    size = 0
    for subject in subjects:
        if size > MAX_PICTURES:
            break
        name = subject.path.name
        originals[name] = data_url(subject.original, 85)
        budgets: dict[str, Any] = {}
        for budget in results.budgets:
            row = {}
            for contender in results.contenders:
                point = gallery.point(contender, subject, budget)
                pixels = gallery.draw(contender, subject, budget)
                if point is not None and pixels is not None:
                    measured = point.figures[gallery.figure]
                    value = f"{measured.value:.{figure_of(gallery.figure).digits}f}"
                    row[contender] = {"url": data_url(pixels, 80), "bytes": measured.bytes, "value": value}
            budgets[str(budget)] = row
        shown[name] = budgets
        size += len(originals[name]) + sum(len(each["url"]) for row in budgets.values() for each in row.values())
    return shown, originals
