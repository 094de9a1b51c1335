"""Creates the parsers of subcommands, with the options that all of them have."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse gives it no public name
else:
    Subparsers = Any


def add_command(subparsers: Subparsers, name: str, about: str, example: str) -> argparse.ArgumentParser:
    """Add a subcommand with its description and an example, and return its parser."""
    return subparsers.add_parser(
        name,
        help=about[0].lower() + about[1:],
        description=about + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="report as one JSON object on stdout")


def add_logging(parser: argparse.ArgumentParser, *, inner: bool = False) -> None:
    """Add the log options. In an `inner` subcommand they do not reset options given before its name."""
    default = argparse.SUPPRESS if inner else False
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-v", "--verbose", action="store_true", default=default, help="log debug messages")
    group.add_argument("-q", "--quiet", action="store_true", default=default, help="show errors only")
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default=argparse.SUPPRESS if inner else "text",
        help="format of the log on stderr (default: text)",
    )
