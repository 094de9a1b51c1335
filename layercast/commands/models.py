"""`layercast models`: lists, downloads and checks models."""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from layercast.commands.options.parser import Subparsers, add_command, add_json, add_logging
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
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run_action, about, example in _ACTIONS:
        action = add_command(actions, name, about, f"layercast models {example}")
        if name != "list":
            action.add_argument("name", metavar="NAME", help="a registered name, a hub id or a local folder")
        if name == "check":
            action.add_argument("--device", default="auto", help="device to check on (default: %(default)s)")
            add_performance(action)
        add_json(action)
        add_logging(action, inner=True)
        action.set_defaults(run_action=run_action)
    return parser


def run(options: argparse.Namespace) -> None:
    """Run the action."""
    options.run_action(options)


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

    fetched = fetch_model(options.name)
    if options.json:
        report({"model": options.name, "folder": str(fetched.folder), "revisions": fetched.revisions})
        return
    for hub_id, revision in fetched.revisions.items():
        say(f"  {hub_id}@{revision[:12]}", quiet=options.quiet)
    say(f"{options.name} is at {fetched.folder}", quiet=options.quiet)


def _check(options: argparse.Namespace) -> None:
    """Load the model, render with it in every way that this machine supports, and record the fastest correct one."""
    import time

    from receiver.rendering import load_model
    from receiver.rendering.backends.benchmark_records import record_performance
    from receiver.rendering.selftest import available_performances, check_performances, fastest
    from receiver.rendering.settings.performance import Performance

    name = str(options.name)
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


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


#: Name, function, help and example of each action.
_ACTIONS = (
    ("list", _list, "List the registered models, and which of them are on this machine", "list"),
    (
        "fetch",
        _fetch,
        "Download a model and the adapters that belong to it, after a check of the disk space",
        "fetch sd15",
    ),
    (
        "check",
        _check,
        "Render with a model in every way that this machine supports, and note the fastest",
        "check mini",
    ),
)
