"""`layercast models`: lists, downloads and checks models."""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.commands.options.rendering import add_performance
from layercast.console import progress, report, say, show_table
from layercast_common.errors import RenderError

if TYPE_CHECKING:
    from receiver.rendering.selftest import PerformanceCheck


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "models",
        "List the diffusion models, download one, or check that one works on this machine",
        "layercast models fetch sd15",
    )
    parser.add_argument(
        "action", choices=("list", "fetch", "check"), help="fetch downloads NAME, check renders with it"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a registered name, a hub id or a local folder")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="check: also measure batches, CUDA graphs, speed, a full memory, and diffusers' own pipeline, and write"
        " them to this JSON file; without NAME, on a full-size Stable Diffusion 1.5 with random weights",
    )
    parser.add_argument("--device", default="auto", help="device to check on (default: %(default)s)")
    add_performance(parser)
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Run the action."""
    match options.action:
        case "list":
            _list(options)
        case "fetch":
            _fetch(options)
        case "check":
            _check(options)


def _list(options: argparse.Namespace) -> None:
    from receiver.rendering import list_models

    models = list_models()
    if options.json:
        report({"models": [{k: _plain(v) for k, v in dataclasses.asdict(model).items()} for model in models]})
        return
    rows = [(m.name, f"{m.native} px", "installed" if m.folder else "not installed", m.about) for m in models]
    show_table(("name", "size", "files", "description"), rows)
    say("download one: layercast models fetch NAME", quiet=options.quiet)


def _fetch(options: argparse.Namespace) -> None:
    from receiver.rendering import fetch_model

    fetched = fetch_model(_named(options))
    if options.json:
        report({"model": options.name, "folder": str(fetched.folder), "revisions": fetched.revisions})
        return
    for hub_id, revision in fetched.revisions.items():
        say(f"  {hub_id}@{revision[:12]}", quiet=options.quiet)
    say(f"{options.name} is at {fetched.folder}", quiet=options.quiet)


def _check(options: argparse.Namespace) -> None:
    """Load the model, render with it in every way that this machine supports, and record the fastest correct one."""
    from receiver.rendering import load_model
    from receiver.rendering.backends.benchmark_records import record_performance
    from receiver.rendering.selftest import available_performances, check_performances, fastest
    from receiver.rendering.settings.performance import Performance

    if options.report:
        _report(options)
        return
    name = _named(options)
    started = time.monotonic()
    model = load_model(name, options.device, performance="plain")
    loaded = time.monotonic() - started
    ways = (
        available_performances(model.device.type)
        if options.performance == "auto"
        else [Performance(options.performance)]
    )
    checked = []
    with progress(quiet=options.quiet) as bars:
        task = bars.add_task("checking", total=len(ways), note=str(ways[0]))
        for way in check_performances(model, ways):
            checked.append(way)
            bars.update(task, advance=1, note=way.performance)
    best = fastest(checked)
    record_performance(model.fingerprint, best, {way.performance: way.step_s for way in checked if way.agrees})
    if options.json:
        report(
            {
                "model": name,
                "revision": model.revision,
                "fingerprint": model.fingerprint,
                "device": str(model.device),
                "load_s": loaded,
                "fastest": best,
                "ways": [dataclasses.asdict(way) | {"agrees": way.agrees} for way in checked],
            }
        )
    else:
        _show_checked(checked)
        for way in checked:
            if way.problem:
                say(f"{way.performance}: {way.problem}", quiet=options.quiet)
        if any(way.agrees for way in checked):
            say(
                f"{name} works: loaded in {loaded:.1f} s on {model.device}; --performance auto now uses {best}",
                quiet=options.quiet,
            )
    if not any(way.agrees for way in checked):
        raise RenderError(f"{name} renders wrong or unstable pictures on {model.device}; try --device cpu")


def _report(options: argparse.Namespace) -> None:
    """Measure a model on a device; the file is written anew after each part, so that Ctrl-C loses only the rest."""
    import tempfile

    from evaluation.rendering.device_report import measure_device
    from evaluation.rendering.random_model import build
    from layercast_common.files import make_folder, save_whole
    from receiver.rendering import load_model

    make_folder(options.report.absolute().parent)
    found: dict[str, Any] = {"model": options.name or "random weights", "parts": {}}
    with tempfile.TemporaryDirectory() as scratch, progress(quiet=options.quiet) as bars:
        task = bars.add_task("checking", total=None, note="loading the model")
        name = options.name
        if name is None:
            name = Path(scratch) / "random-sd15"
            build(name, on_part=lambda part: bars.update(task, note=f"making {part}"))
        started = time.monotonic()
        model = load_model(name, options.device, performance="plain")
        found["load_s"] = round(time.monotonic() - started, 2)
        for part, figures in measure_device(model):
            found["parts"][part] = figures
            save_whole(json.dumps(found, indent=1) + "\n", options.report)
            bars.update(task, note=part)
    if options.json:
        report(found)
        return
    for part, figures in found["parts"].items():
        say(f"{part}: {json.dumps(figures)}", quiet=options.quiet)
    say(f"written to {options.report}", quiet=options.quiet)


def _show_checked(checked: "list[PerformanceCheck]") -> None:
    show_table(
        ("performance", "dtype", "ms per step", "difference", "allowed", "batch difference", "repeats", ""),
        [
            (
                way.performance,
                way.dtype,
                f"{1000 * way.step_s:.1f}",
                f"{way.difference:.3f}",
                f"{way.tolerance:g}",
                f"{way.batch_difference:.0f}",
                "yes" if way.repeats else "no",
                "agrees" if way.agrees else "differs",
            )
            for way in checked
            if not way.problem
        ],
    )


def _named(options: argparse.Namespace) -> str:
    from layercast_common.errors import UsageError

    if options.name is None:
        raise UsageError(f"name the model to {options.action}: layercast models {options.action} NAME")
    return str(options.name)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
