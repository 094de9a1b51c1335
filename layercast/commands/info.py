"""`layercast info`: header and layer sizes of a stream."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import report, show_line, show_table

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "info", "Show the header of streams and the size of each layer", "layercast info photo.lcast"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".lcast files")
    parser.add_argument("--partial", action="store_true", help="accept truncated streams")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Read the streams and report their contents."""
    from layercast.reports import describe, load_stream

    # Read all before anything is written: a damaged file gives an error and nothing else.
    streams = [(path, load_stream(path, partial=options.partial)) for path in options.files]
    facts = [describe(stream, path) for path, stream in streams]
    if options.json:
        # The facts of a single file are at the top as well.
        report((facts[0] if len(facts) == 1 else {}) | {"pictures": facts})
        return
    for (path, stream), each in zip(streams, facts, strict=True):
        _show(path, stream, each)


def _show(path: Path, stream: "Bitstream", facts: dict[str, Any]) -> None:
    rows = [(f"{s['layer']} ({s['coder']})", str(s["bytes"]), f"{s['bpp']:.5f}") for s in facts["sections"]]
    pixels = facts["width"] * facts["height"]
    rows.append(("header and end", str(facts["container_bytes"]), f"{8 * facts['container_bytes'] / pixels:.5f}"))
    rows.append(("total", str(facts["bytes"]), f"{facts['bpp']:.5f}"))
    show_line(f"{path}: {facts['width']}x{facts['height']}, seed {facts['seed']}, for {facts['model']}")
    show_table(("section", "bytes", "bit/pixel"), rows)
    for name in ("prompt", "structure", "texture"):
        if facts[name]:
            show_line(f"{name}: {facts[name]}")
        if name == "prompt" and stream.header.guess:
            show_line(f"  {stream.header.guess.describe()}")
    if facts["planes"]:
        show_line(f"planes: down to {facts['planes']['lowest']}, a step of {facts['planes']['step']}")
