"""Rate-distortion curves as SVG and PNG: mean and 95 % interval of every contender over bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.plot_files import save_plot
from evaluation.quality.figures import figure_of
from evaluation.rate_distortion.files import Results
from evaluation.rate_distortion.summary import Mean
from layercast_common.errors import MissingExtraError
from layercast_common.files import make_folder

#: Folder of the plots, in the folder of the results.
FOLDER = "plots"

#: Colours that people with colour blindness can distinguish (Okabe and Ito), ours first.
COLORS = ("#0067b1", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#b3263a", "#56b4e9", "#4b5bb5", "#7a7a2e", "#666666")


def write_plots(results: Results, folder: Path) -> list[Path]:
    """Write `plots/FIGURE.svg` and `.png` for every figure, and return the files.

    Raises:
        MissingExtraError: matplotlib is not installed.
        StorageError: a file cannot be written.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("plots as SVG and PNG", "bench") from error
    make_folder(folder / FOLDER)
    written = []
    # Fixed ids and no date: the same results give the same file.
    settings: dict[Any, Any] = {"svg.hashsalt": "layercast", "svg.fonttype": "none", "font.size": 9, "backend": "agg"}
    with mpl.rc_context(settings):
        for name in results.figures:
            means = [mean for mean in results.means if mean.figure == name]
            if means:
                written += _write(results, name, means, folder / FOLDER)
    return written


def _write(results: Results, name: str, means: Sequence[Mean], folder: Path) -> list[Path]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    for place, contender in enumerate(results.contenders):
        points = sorted((m for m in means if m.contender == contender and not m.missing), key=lambda mean: mean.bytes)
        if not points:
            continue
        xs, ys = [point.bytes for point in points], [point.value for point in points]
        color = COLORS[place % len(COLORS)]
        axes.plot(xs, ys, "o-", color=color, label=contender, markersize=3.5, linewidth=1.3 if place else 2.2)
        lows, highs = ([p.value + sign * p.interval for p in points] for sign in (-1, 1))
        axes.fill_between(xs, lows, highs, color=color, alpha=0.12, linewidth=0)
    about = figure_of(name)
    axes.set_xscale("log")
    axes.set_xticks(list(results.budgets), [f"{budget:,}" for budget in results.budgets])
    axes.minorticks_off()
    axes.set_xlabel("bytes of a file, mean")
    unit = f", {about.unit}" if about.unit else ""
    axes.set_ylabel(f"{about.label}{unit}{' (less is better)' if about.less_is_better else ''}")
    axes.set_title(f"{len(results.pictures)} pictures, mean and 95 % interval", fontsize=9)
    axes.grid(visible=True, alpha=0.25)
    axes.legend(frameon=False)
    facts = f"{results.command}; layercast {results.version}; {results.machine}"
    return save_plot(figure, folder, name, facts)
