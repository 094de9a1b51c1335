"""`layercast info`: header and layer sizes of a stream."""

import argparse
from pathlib import Path

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import report, show_line, show_table


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "info", "Show a stream's header and the size of each layer", "layercast info photo.lcast"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an .lcast file")
    parser.add_argument("--partial", action="store_true", help="accept a truncated stream")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Read the stream and report its contents."""
    from layercast.reports import describe, load_stream

    facts = describe(load_stream(options.file, partial=options.partial), options.file)
    if options.json:
        report(facts)
        return
    rows = [(f"{s['layer']} ({s['coder']})", str(s["bytes"]), f"{s['bpp']:.5f}") for s in facts["sections"]]
    pixels = facts["width"] * facts["height"]
    rows.append(("header and end", str(facts["container_bytes"]), f"{8 * facts['container_bytes'] / pixels:.5f}"))
    rows.append(("total", str(facts["bytes"]), f"{facts['bpp']:.5f}"))
    show_line(f"{options.file}: {facts['width']}x{facts['height']}, seed {facts['seed']}, for {facts['model']}")
    show_table(("section", "bytes", "bit/pixel"), rows)
    for name in ("prompt", "structure", "texture"):
        if facts[name]:
            show_line(f"{name}: {facts[name]}")
