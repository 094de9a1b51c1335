"""The tables of `layercast evaluate`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from layercast.console import show_line, show_table

if TYPE_CHECKING:
    from evaluation.rate_distortion.comparing import Change
    from evaluation.rate_distortion.files import Results
    from evaluation.rate_distortion.report.writing import Reported


def show_results(results: "Results", reported: "Reported") -> None:
    """Show means, comparisons, Bjontegaard deltas, and what was left out."""
    show_line(f"{len(results.pictures)} pictures, means; {results.machine}")
    if results.protocol:
        show_line(results.protocol)
    show_line("")
    _show_means(results)
    _show_verdicts(reported)
    _show_deltas(reported)
    if results.left_out:
        show_line("\nnot measured:")
        for name, reason in results.left_out.items():
            show_line(f"  {name}: {reason}")
    if reported.pairs:
        show_line(f"\n{reported.pairs} pairs to compare without names")


def show_changes(changes: "Sequence[Change]", lost: "Sequence[Change]") -> None:
    """Show the changes of two results that count, the worst first."""
    from evaluation.quality.figures import figure_of

    shown = sorted((change for change in changes if abs(change.steps) >= 1 or change in lost), key=lambda c: c.steps)
    rows = []
    for change in shown:
        digits = 0 if change.figure == "bytes" else figure_of(change.figure).digits
        after = "missing" if change.after is None else f"{change.after:.{digits}f}"
        name = "bytes" if change.figure == "bytes" else figure_of(change.figure).label
        steps = "" if change.after is None else f"{change.steps:+.1f}"
        verdict = "worse" if change in lost else ""
        rows.append((change.contender, str(change.budget), name, f"{change.before:.{digits}f}", after, steps, verdict))
    if rows:
        show_table(("", "budget", "figure", "before", "after", "steps", ""), rows)
    else:
        show_line(f"{len(changes)} means compared; none has changed by a step")


def _show_means(results: "Results") -> None:
    from evaluation.quality.figures import figure_of

    figures = [figure_of(name) for name in results.figures]
    means = {(mean.budget, mean.contender, mean.figure): mean for mean in results.means}
    rows = []
    for budget in results.budgets:
        for name in results.contenders:
            found = [means.get((budget, name, figure.name)) for figure in figures]
            first = next((mean for mean in found if mean is not None), None)
            if first is None:
                rows.append([str(budget), name, "does not fit", *("" for _ in figures), "", ""])
                continue
            fits = f" ({first.count} fit)" if first.missing else ""
            cells = ["" if m is None else f"{m.value:.{f.digits}f}" for f, m in zip(figures, found, strict=True)]
            times = [f"{first.encode_s:.2f}", f"{first.decode_s:.2f}"]
            rows.append([str(budget), f"{name}{fits}", f"{first.bytes:.0f}", *cells, *times])
    labels = [figure.short or figure.label for figure in figures]
    show_table(("budget", "", "bytes", *labels, "encode s", "decode s"), rows)


def _show_verdicts(reported: "Reported") -> None:
    from evaluation.quality.figures import figure_of

    for name, verdicts in reported.verdicts.items():
        rows = []
        for verdict in verdicts:
            figure = figure_of(verdict.figure)
            rows.append(
                (
                    str(verdict.budget),
                    figure.label,
                    f"{verdict.value:.{figure.digits}f}",
                    verdict.rival,
                    f"{verdict.rival_value:.{figure.digits}f}",
                    f"{verdict.gain:+.{figure.digits}f}",
                    f"{100 * verdict.wins:.0f} %",
                )
            )
        if rows:
            show_line(f"\n{name} beside the best of the others for each figure; a positive gain is better")
            show_table(("budget", "figure", "value", "best other", "its value", "gain", "better pictures"), rows)


def _show_deltas(reported: "Reported") -> None:
    from evaluation.quality.figures import figure_of

    if not reported.deltas:
        return
    show_line(f"\nbytes at equal quality, against {reported.deltas[0].anchor} (BD-rate, Akima)")
    rows = [
        (
            delta.contender,
            figure_of(delta.figure).label,
            "" if delta.percent is None else f"{delta.percent:+.1f} %",
            f"{delta.points[0]}, {delta.points[1]}",
            f"{100 * delta.overlap:.0f} %",
            delta.warning,
        )
        for delta in reported.deltas
    ]
    show_table(("", "figure", "bytes", "points", "overlap", "doubts"), rows)
