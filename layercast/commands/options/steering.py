"""The option that allows visitors of the page to use its controls."""

import argparse

from layercast_common.errors import UsageError

#: What visitors may be allowed to do, and the words for the help.
CONTROLS = {
    "redraw": "draw pictures with other words, layers, seed or steps",
    "link": "change the emulated link",
    "send": "send pictures from the page",
    "original": "take originals to compare with, from send --with-original",
}


def add_allow(parser: argparse.ArgumentParser, names: tuple[str, ...], default: str) -> None:
    """Add --allow.

    Args:
        parser: the command's parser.
        names: the keys of `CONTROLS` that the command has.
        default: what holds without the option, for the help.
    """
    what = "; ".join(f"{name}: {CONTROLS[name]}" for name in names)
    parser.add_argument(
        "--allow",
        metavar="WHAT",
        help=f"what every visitor of the page may do, separated by commas, or none. {what} (default: {default})",
    )
    parser.set_defaults(controls=names)


def allowed_of(options: argparse.Namespace, default: frozenset[str]) -> frozenset[str]:
    """Return what visitors may do.

    Args:
        options: the parsed options.
        default: what holds without the option.

    Raises:
        UsageError: the command has no such control.
    """
    if options.allow is None:
        return default
    names = frozenset(options.allow.split(",")) - {"none"}
    if unknown := sorted(names - set(options.controls)):
        raise UsageError(f"--allow has no '{unknown[0]}' here; there are {', '.join(options.controls)} and none")
    return names
