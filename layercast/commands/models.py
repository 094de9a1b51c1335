"""`layercast models`: lists, downloads and checks models."""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.parser import Subparsers, add_command, add_json, add_logging
from layercast.commands.options.rendering import add_parts, add_performance, parts_of
from layercast.console import progress, report, say, show_table
from layercast_common.errors import RenderError, UsageError

if TYPE_CHECKING:
    from receiver.rendering.model_files.downloads import FetchPlan
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
        action.add_argument(
            "name",
            metavar="NAME",
            nargs=None if name == "fetch" else "?",
            help="a registered name, a hub id, a local folder or a checkpoint",
        )
        if name == "fetch":
            _add_fetching(action)
        if name == "check":
            _add_checking(action)
        if name != "list":
            add_parts(action)
        add_json(action)
        add_logging(action, inner=True)
        action.set_defaults(run_action=run_action)
    return parser


def _add_fetching(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show files and sizes, download nothing")
    parser.add_argument(
        "--precision",
        choices=("half", "full"),
        default="half",
        help="half-precision weights where they exist, or full ones, twice as large (default: %(default)s)",
    )


def _add_checking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also measure batches, CUDA graphs, speed, a full memory, and diffusers' own pipeline, and write them to "
        "this JSON file; without NAME, on a full-size Stable Diffusion 1.5 with random weights",
    )
    parser.add_argument("--device", default="auto", help="device to check on (default: %(default)s)")
    add_performance(parser)


def run(options: argparse.Namespace) -> None:
    """Run the action."""
    options.run_action(options)


def _list(options: argparse.Namespace) -> None:
    from receiver.rendering.model_files.listing import describe_model, list_models

    models = [describe_model(options.name)] if options.name else list_models()
    if options.json:
        report({"models": [{k: _plain(v) for k, v in dataclasses.asdict(model).items()} for model in models]})
        return
    rows = [
        (m.name, f"{m.native} px" if m.native else "", str(m.steps or ""), "yes" if m.folder else "no", m.about)
        for m in models
    ]
    show_table(("name", "size", "steps", "installed", "description"), rows)
    for model in models:
        if model.recognised:
            say(f"{model.name}: {model.recognised}", quiet=options.quiet)
    say("download one: layercast models fetch NAME", quiet=options.quiet)


def _fetch(options: argparse.Namespace) -> None:
    from receiver.rendering.model_files.fetching import fetch_planned, plan_fetch

    plan = plan_fetch(options.name, parts_of(options), half=options.precision == "half")
    if not options.json:
        _show_plan(plan, quiet=options.quiet)
    if options.dry_run:
        if options.json:
            report(_plan_facts(plan))
        return
    fetched = fetch_planned(plan)
    if options.json:
        report(_plan_facts(plan) | {"folder": str(fetched.folder), "revisions": fetched.revisions})
        return
    say(f"{options.name} is at {fetched.folder}", quiet=options.quiet)


def _plan_facts(plan: "FetchPlan") -> dict[str, object]:
    return {
        "model": plan.name,
        "bytes": plan.size,
        "missing_bytes": plan.missing,
        "downloads": [dataclasses.asdict(download) for download in plan.downloads],
    }


def _show_plan(plan: "FetchPlan", *, quiet: bool) -> None:
    for download in plan.downloads:
        left_out = f", {_gigabytes(download.skipped)} of other files left out" if download.skipped else ""
        say(f"  {download.hub_id}@{download.revision[:12]}: {_gigabytes(download.size)}{left_out}", quiet=quiet)
    say(f"{plan.name}: {_gigabytes(plan.size)}, {_gigabytes(plan.missing)} to download", quiet=quiet)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 10_000_000 else f"{size / 1e6:.1f} MB"


def _check(options: argparse.Namespace) -> None:
    """Load the model, render with it in every way that this machine supports, and record the fastest correct one."""
    from receiver.rendering import load_model
    from receiver.rendering.backends.benchmark_records import record_performance
    from receiver.rendering.selftest import available_performances, check_performances, fastest
    from receiver.rendering.settings.performance import Performance

    if options.report:
        from layercast.commands.services.device_report import write_device_report

        write_device_report(options)
        return
    if options.name is None:
        raise UsageError("name a model to check; only with --report may NAME be left out")
    name = str(options.name)
    started = time.monotonic()
    model = load_model(name, options.device, performance="plain", tuning=parts_of(options))
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
                "recognised": model.recognised,
                "device": str(model.device),
                "load_s": loaded,
                "fastest": best,
                "ways": [dataclasses.asdict(way) | {"agrees": way.agrees} for way in checked],
            }
        )
    else:
        if model.recognised:
            say(f"{name}: {model.recognised}", quiet=options.quiet)
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
        ("performance", "dtype", "ms per step", "difference", "allowed", "batch mean / 99.9 %", "repeats", ""),
        [
            (
                way.performance,
                way.dtype,
                f"{1000 * way.step_s:.1f}",
                f"{way.difference:.3f}",
                f"{way.tolerance:g}",
                f"{way.batch_mean:.3f} / {way.batch_difference:.0f}",
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
    ("list", _list, "List the registered models, or what NAME is recognised as", "list"),
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
