"""The work of `layercast simulate`."""

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evaluation.simulation.grid.cluster import ray_mapper
from evaluation.simulation.grid.runner import Mapper, local_mapper, run_grid
from evaluation.simulation.links.profiles import SIMULATED_LINKS
from evaluation.simulation.report.facts import RunFacts
from evaluation.simulation.report.writing import WrittenReport, write_report
from evaluation.simulation.scenario.loading import load_scenario, parse_scenario
from evaluation.simulation.scenario.model import Rendering, Scenario
from layercast.console import progress, report, say, show_line, show_table
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_Item = TypeVar("_Item", str, float, int)


def simulate(options: argparse.Namespace, *, command: str) -> None:
    """Run a scenario, write its reports, and show the means.

    Raises:
        LayercastError: the scenario is wrong, or a picture, library or file is missing.
    """
    began = time.perf_counter()
    scenario = scenario_of(options)
    # Worker processes on other machines have other working directories.
    scenario = replace(scenario, images=tuple(image.resolve() for image in scenario.images))
    mapping: AbstractContextManager[Mapper] = (
        ray_mapper(options.ray) if options.ray else local_mapper(options.processes)
    )
    with progress(quiet=options.quiet) as bars, mapping as mapper:
        tracker = _Tracker(bars, quiet=options.quiet)
        grid = run_grid(scenario, options.out.resolve(), mapper, tracker)
        facts = RunFacts.of(grid, command=command, wall_s=time.perf_counter() - began)
        written = write_report(grid, facts, tracker)
    if options.json:
        report({**written.summary, "files": [str(path) for path in written.files], "notes": list(written.notes)})
        return
    _show(written)
    for note in written.notes:
        say(note, quiet=options.quiet)
    say(f"open {options.out / 'report.html'}", quiet=options.quiet)


def scenario_of(options: argparse.Namespace) -> Scenario:
    """Return the scenario of the command line: a file, flags, or a file with values replaced by flags.

    Raises:
        UsageError: neither a file nor pictures are given, or a value is wrong.
        StorageError: a file cannot be read.
    """
    if options.scenario is not None:
        if options.images or options.link:
            raise UsageError("a scenario file has its own images and links; leave out --images and --link")
        scenario = load_scenario(options.scenario)
    elif options.images is None:
        raise UsageError("a simulation needs a scenario file or --images DIR; layercast simulate --help has examples")
    else:
        table = {
            "images": str(options.images),
            "count": options.count,
            "link": _many(options.link or "iridium", str),
            "workload": {"every": options.every},
        }
        scenario = parse_scenario(table, Path(), name=options.images.resolve().name)
    axes: dict[str, Any] = {
        name: _many(getattr(options, name), kind)
        for name, kind in (("rates", float), ("losses", float), ("budgets", int), ("orders", str), ("transports", str))
        if getattr(options, name) is not None
    }
    if options.seeds is not None:
        axes["seeds"] = tuple(range(options.seeds))
    changes: dict[str, Any] = {"grid": replace(scenario.grid, **axes)}
    rivals: dict[str, Any] = {}
    if options.rivals is not None:
        rivals["formats"] = () if options.rivals == "none" else _many(options.rivals, str)
    if options.rival_sizes is not None:
        rivals["sizes"] = _many(options.rival_sizes, str)
    changes["rivals"] = replace(scenario.rivals, **rivals)
    if options.render is not None:
        changes["rendering"] = Rendering.parse(options.render)
    if options.figure is not None:
        changes["measures"] = replace(scenario.measures, figure=options.figure)
    return replace(scenario, **changes)


def list_links(*, as_json: bool) -> None:
    """Show the named links."""
    rows = [
        {
            "name": link.name,
            "bit_per_s": link.there.rate,
            "delay_s": link.there.delay,
            "packet_bytes": link.mtu,
            "loss": round(link.there.loss.mean, 4),
            "dollars_per_kb": link.cost.dollars_per_kb,
            "transmit_watts": link.cost.transmit_watts,
        }
        for link in sorted(SIMULATED_LINKS.values(), key=lambda link: link.name)
    ]
    if as_json:
        report({"links": rows})
        return
    show_table(
        ("link", "bit/s", "delay, s", "packet, bytes", "lost", "$ per kB", "W sending"),
        [[f"{value:g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows],
    )


def _many(text: str, kind: Callable[[str], _Item]) -> tuple[_Item, ...]:
    try:
        return tuple(kind(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UsageError(f"numbers separated by commas are expected, not {text!r}") from error


class _Tracker:
    """Shows progress bars with the time left; without a terminal, lines."""

    def __init__(self, bars: "Progress", *, quiet: bool) -> None:
        self._bars = bars
        self._quiet = quiet
        self._task: TaskID | None = None
        self._about = ""
        self._began = time.monotonic()

    def __call__(self, about: str, done: int, total: int) -> None:
        if about != self._about:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._about, self._began, self._first = about, time.monotonic(), done
            self._task = self._bars.add_task(about, total=total, note="")
        left = ""
        if done > self._first:
            seconds = (time.monotonic() - self._began) / (done - self._first) * (total - done)
            left = f", {seconds:.0f} s left"
        assert self._task is not None
        self._bars.update(self._task, completed=done, note=f"{done}/{total}{left}")
        if self._bars.disable and done == total:
            say(f"{about}: {done} of {total}", quiet=self._quiet)


def _show(written: WrittenReport) -> None:
    figures = ("first_s", "recognisable_s", "final", "bytes", "dollars", "joules")
    for condition in written.summary["conditions"]:
        rows = []
        for system, found in condition["systems"].items():
            cells = [_cell(found[figure]) for figure in figures]
            rows.append([system, *cells, f"{found['recognisable_s reached']['mean']:.0%}"])
        show_line(f"{condition['condition']}")
        show_table(
            (
                "",
                "first picture, s",
                "recognisable, s",
                f"last {written.summary['figure']}",
                "bytes",
                "$",
                "J",
                "recognisable",
            ),
            rows,
        )
        show_line("")
    run = written.summary["run"]
    show_line(f"{run['simulated_s']:,.0f} s of link time, {run['speed_up']:,.0f} times as fast as real time")


def _cell(figure: dict[str, Any]) -> str:
    if figure["mean"] is None:
        return "-"
    return f"{figure['mean']:.4g}" + (f" ± {figure['ci95']:.2g}" if figure["ci95"] else "")
