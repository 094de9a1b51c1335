"""`layercast edit`: edits the prompt, lines and colours of a stream."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import report, say
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream
    from codec.editing import Region

_EXAMPLE = """\
layercast edit fox.lcast -o wolf.lcast --substitute "red fox" "grey wolf" --recolor saturation=30
  layercast edit fox.lcast -o dusk.lcast --texture-from dusk.jpg
  layercast edit fox.lcast -o pose.lcast --structure-from other.lcast --seed 4
  layercast edit fox.lcast -o calm.lcast --erase 300,40,120,200 --erase 0,400,96,112

changes of colours (--recolor), applied in the order given:
  hue=+40  hue=-40         turn every hue by 40 degrees; 120 makes red things green
  hue=210                  give every colour this hue: 0 is red, 120 green, 240 blue
  saturation=0             grey; =50 or -50 halves it, =150 or +50 adds half
  brightness=-20           darker by 20 percent, the same as brightness=80
  "#336699"  navy          one flat colour everywhere
  "0,0,256,128=#88aadd"    only in the rectangle X,Y,W,H; likewise "0,0,256,128=hue=+40"

Edits are applied in the order prompt, lines, colours, recolouring, erasing. Rectangles are in pixels of the canvas,
whose size "layercast info" shows. Layers that no edit touches keep their bytes."""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "edit", "Edit a stream without rendering it: prompt, lines, colours, objects", _EXAMPLE
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an .lcast file")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="file to write; may be the same FILE"
    )
    parser.add_argument("--prompt", metavar="TEXT", help="replace the prompt")
    parser.add_argument(
        "--substitute",
        nargs=2,
        action="append",
        default=[],
        metavar=("OLD", "NEW"),
        help="replace a phrase of the prompt; an empty NEW removes it; may be repeated",
    )
    parser.add_argument("--structure-from", metavar="PATH", help="use the lines of this picture or .lcast file")
    parser.add_argument("--texture-from", metavar="PATH", help="use the colours of this picture or .lcast file")
    parser.add_argument(
        "--recolor", action="append", default=[], metavar="CHANGE", help="change colours, see below; may be repeated"
    )
    parser.add_argument(
        "--erase",
        action="append",
        default=[],
        metavar="X,Y,W,H",
        help="remove lines and colours from a rectangle; may be repeated",
    )
    parser.add_argument("--erase-mask", metavar="PATH", help="remove lines and colours where this picture is white")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the starting noise")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Edit the stream, write it, then report."""
    import time

    from layercast.reports import load_stream
    from layercast_common.files import make_folder

    if not _has_edits(options):
        raise UsageError(
            "nothing to edit; give --prompt, --recolor, --erase or another edit, see layercast edit --help"
        )
    start = time.perf_counter()
    before = load_stream(options.file)
    after = edit(before, options)
    make_folder(options.output.parent)
    after.save(options.output)
    row = _row(before, after, options) | {"seconds": time.perf_counter() - start}
    if options.json:
        report(row)
    else:
        _print_row(row, quiet=options.quiet)


def _has_edits(options: argparse.Namespace) -> bool:
    single = (options.prompt, options.structure_from, options.texture_from, options.erase_mask, options.seed)
    return any(value is not None for value in single) or bool(options.substitute or options.recolor or options.erase)


def edit(stream: "Bitstream", options: argparse.Namespace) -> "Bitstream":
    """Apply all edits of the options to a stream, and return the result.

    Raises:
        UsageError: an edit is not valid for this stream.
        CodecError: a file to copy a layer from cannot be decoded.
        StorageError: a file to copy a layer from cannot be read.
    """
    from codec import editing

    # Report syntax errors before any work is done.
    changes = [editing.parse_recoloring(text) for text in options.recolor]
    regions: list[Region] = [editing.parse_rectangle(text) for text in options.erase]
    if options.prompt is not None:
        stream = editing.replace_prompt(stream, options.prompt)
    for old, new in options.substitute:
        stream = editing.substitute_prompt(stream, old, new)
    if options.structure_from is not None:
        stream = editing.replace_structure(stream, options.structure_from)
    if options.texture_from is not None:
        stream = editing.replace_texture(stream, options.texture_from)
    if changes:
        stream = editing.recolor(stream, *changes)
    if options.erase_mask is not None:
        regions.append(editing.load_mask(options.erase_mask, stream.header.canvas))
    if regions:
        stream = editing.erase(stream, regions)
    if options.seed is not None:
        stream = editing.replace_seed(stream, options.seed)
    return stream


def _row(before: "Bitstream", after: "Bitstream", options: argparse.Namespace) -> dict[str, Any]:
    from layercast.reports import describe, layer_name

    facts = describe(after, options.output)
    kept = [section in before.sections for section in after.sections]
    sections = [section | {"unchanged": same} for section, same in zip(facts["sections"], kept, strict=True)]
    layers = sorted({section.layer for section in (*before.sections, *after.sections)})
    return facts | {
        "source": str(options.file),
        "bytes_before": len(before.to_bytes()),
        "layers": {
            layer_name(layer): {
                "bytes": after.size_of(layer),
                "bytes_before": before.size_of(layer),
                "unchanged": [s for s in before.sections if s.layer == layer]
                == [s for s in after.sections if s.layer == layer],
            }
            for layer in layers
        },
        "sections": sections,
        "notes": list(after.notes),
    }


def _print_row(row: dict[str, Any], *, quiet: bool) -> None:
    sizes = ", ".join(
        f"{name} {layer['bytes']}" + (" (unchanged)" if layer["unchanged"] else f" (was {layer['bytes_before']})")
        for name, layer in row["layers"].items()
    )
    say(f"{row['file']}: {row['bytes']} bytes (was {row['bytes_before']}): {sizes}", quiet=quiet)
    for note in row["notes"]:
        say(f"  {note}", quiet=quiet)
