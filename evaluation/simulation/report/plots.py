"""Plots for papers and slides, as SVG and PNG, with matplotlib; a panel for each condition."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evaluation.plot_files import save_plot
from evaluation.simulation.report.curves import Curves
from evaluation.simulation.report.page import over_rate
from layercast_common.errors import MissingExtraError

#: The most panels of a plot; further conditions are in the page and the tables.
MAX_PANELS = 6

#: Colours that people with colour blindness can distinguish (Okabe and Ito), ours first.
_COLORS = ("#0067b1", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#b3263a", "#56b4e9", "#4b5bb5", "#7a7a2e", "#666666")

_LANES = ("no layer", "semantic", "structure", "texture", "detail")


def write_plots(
    folder: Path, curves: Sequence[Curves], conditions: list[dict[str, Any]], *, figure: str, facts: str
) -> list[Path]:
    """Write the plots, and return their files.

    Args:
        folder: where to write them.
        curves: the curves of the conditions.
        conditions: the summary's conditions.
        figure: the figure of quality, for labels.
        facts: command, seeds, version and machine, for the foot of every plot.

    Raises:
        MissingExtraError: matplotlib is not installed.
        StorageError: a file cannot be written.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("plots as SVG and PNG", "bench") from error
    # Fixed ids and no date: the same curves give the same file.
    settings: dict[Any, Any] = {"svg.hashsalt": "layercast", "svg.fonttype": "none", "font.size": 8, "backend": "agg"}
    with mpl.rc_context(settings):
        written = []
        panels: list[tuple[str, str, Callable[[Any, Curves], None]]] = [
            ("quality-over-time", "seconds after the offer", lambda axes, one: _time(axes, one, figure)),
            ("quality-over-bytes", "bytes on the link, per picture", lambda axes, one: _bytes(axes, one, figure)),
            ("first-picture", "seconds after the offer", _first),
            ("packets", "seconds", _packets),
        ]
        for name, label, draw in panels:
            written += _write(folder, name, list(curves)[:MAX_PANELS], label, facts, draw)
        groups = over_rate(conditions)
        if groups:
            systems = list(conditions[0]["systems"])

            def draw_rates(axes: Any, group: dict[str, Any]) -> None:
                _rates(axes, group, systems)

            written += _write(folder, "recognisable-over-rate", groups[:MAX_PANELS], "bit/s", facts, draw_rates)
        return written


def _write(
    folder: Path, name: str, panels: Sequence[Any], label: str, facts: str, draw: Callable[[Any, Any], None]
) -> list[Path]:
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    width, height = 0.8 + 3.2 * columns, 1.2 + 2.6 * rows
    # Fixed margins: matplotlib's layout engines draw everything several times.
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.15 / width,
        bottom=0.7 / height,
        top=1 - 0.6 / height,
        wspace=0.28,
        hspace=0.42,
    )
    for axes, panel in zip(grid.flat, panels, strict=False):
        draw(axes, panel)
        axes.set_title(panel["group"] if isinstance(panel, dict) else panel.condition, fontsize=8)
        axes.set_xlabel(label)
        axes.grid(visible=True, alpha=0.25)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="upper center", ncols=min(6, len(labels)), frameon=False)
    shown = facts if len(facts) < 70 * columns else f"{facts[: 70 * columns]}..."
    figure.text(0.5, 0.08 / height, shown, fontsize=5, color="gray", ha="center")
    return save_plot(figure, folder, name, facts)


def _color(system: str, systems: Sequence[str]) -> str:
    """Return the colour of a system: one for each format, whatever the size of its files."""
    formats = list(dict.fromkeys(name.partition("@")[0] for name in systems))
    return _COLORS[formats.index(system.partition("@")[0]) % len(_COLORS)]


def _dashes(system: str, systems: Sequence[str]) -> str:
    """Return the line style of a system: dashed for the second size of a format."""
    same = [name for name in systems if name.partition("@")[0] == system.partition("@")[0]]
    return "-" if system == same[0] else "--"


def _lines(axes: Any, curves: dict[str, list[Any]], systems: Sequence[str], **options: Any) -> None:
    for system in systems:
        points = curves.get(system, [])
        xs, ys = [point[0] for point in points], [point[1] for point in points]
        look = {"linewidth": 2.2 if system == systems[0] else 1.1, "linestyle": _dashes(system, systems)}
        # A system without points is in the legend, too.
        axes.plot(xs, ys, label=system, color=_color(system, systems), **look, **options)


def _bands(axes: Any, curves: dict[str, list[Any]], systems: Sequence[str]) -> None:
    for system, points in curves.items():
        known = [(x, y, half) for x, y, half in points if half]
        if known:
            lows, highs = [y - half for _, y, half in known], [y + half for _, y, half in known]
            xs = [x for x, _, _ in known]
            # Wide intervals, as two seeds give, would flatten the curves: only these set the limits.
            axes.autoscale(enable=False, axis="y")
            axes.fill_between(xs, lows, highs, color=_color(system, systems), alpha=0.15, linewidth=0)


def _time(axes: Any, one: Curves, figure: str) -> None:
    _lines(axes, one.quality_over_time, list(one.first))
    _bands(axes, one.quality_over_time, list(one.first))
    axes.set_xscale("log")
    axes.set_ylabel(figure)


def _bytes(axes: Any, one: Curves, figure: str) -> None:
    _lines(axes, one.quality_over_bytes, list(one.first))
    axes.set_xscale("log")
    axes.set_ylabel(figure)


def _first(axes: Any, one: Curves) -> None:
    steps = {system: [(points[0][0], 0.0), *points] if points else [] for system, points in one.first.items()}
    _lines(axes, steps, list(steps), drawstyle="steps-post")
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share with a first picture")


def _packets(axes: Any, one: Curves) -> None:
    packets = next(iter(one.packets.values()))
    for lost, mark in ((False, "o"), (True, "x")):
        chosen = [packet for packet in packets if packet[4] is lost]
        lanes = [min(packet[2], 3) + 1 for packet in chosen]
        colors = [_COLORS[lane] for lane in lanes]
        sizes = [4 + packet[1] / 12 for packet in chosen]
        axes.scatter([packet[0] for packet in chosen], lanes, s=sizes, c=colors, marker=mark, alpha=0.7)
    axes.set_yticks(range(len(_LANES)), _LANES)


def _rates(axes: Any, group: dict[str, Any], systems: Sequence[str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    _lines(axes, group["curves"], systems, marker="o", markersize=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(LogLocator(subs=()))
    axes.set_ylabel("s to a recognisable picture")
