"""`layercast models`: which models there are, bring one here, see whether one works."""

import argparse
import dataclasses

from layercast.commands.arguments import Subparsers, add_command, add_json
from layercast.console import report, say, show_table


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """The subcommand's arguments."""
    parser = add_command(
        subparsers,
        "models",
        "List the diffusion models, fetch one, or check that one works",
        "layercast models fetch sd15",
    )
    parser.add_argument("action", choices=("list", "fetch", "check"))
    parser.add_argument("name", nargs="?", metavar="NAME", help="a registered name, a hub id or a local folder")
    parser.add_argument("--device", default="auto", help="device to check on (default: %(default)s)")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Do what `action` says."""
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
    rows = [(m.name, f"{m.native} px", "here" if m.folder else "not here", m.about) for m in models]
    show_table(("name", "size", "files", "what it is"), rows)
    say("bring one here: layercast models fetch NAME", quiet=options.quiet)


def _fetch(options: argparse.Namespace) -> None:
    from receiver.rendering import fetch_model

    folder = fetch_model(_named(options))
    if options.json:
        report({"model": options.name, "folder": str(folder)})
    else:
        say(f"{options.name} is at {folder}", quiet=options.quiet)


def _check(options: argparse.Namespace) -> None:
    """Load the model and draw one step."""
    import time

    from codec.layers import Priors, Semantic
    from receiver.rendering import load_model, render

    name = _named(options)
    started = time.monotonic()
    model = load_model(name, options.device)
    loaded = time.monotonic()
    side = model.settings.native
    last = None
    for frame in render(Priors((side, side), Semantic("a test picture")), model=model):
        last = frame
    assert last is not None
    drawn = time.monotonic()
    facts = {
        "model": name,
        "device": str(model.device),
        "load_s": loaded - started,
        "render_s": drawn - loaded,
        "steps": last.steps,
    }
    if options.json:
        report(facts)
    else:
        say(
            f"{name} works: loaded in {facts['load_s']:.1f} s, drew {side}x{side} in {last.steps} steps and "
            f"{facts['render_s']:.1f} s on {model.device}",
            quiet=options.quiet,
        )


def _named(options: argparse.Namespace) -> str:
    from layercast_errors import UsageError

    if options.name is None:
        raise UsageError(f"name the model to {options.action}: layercast models {options.action} NAME")
    return str(options.name)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
