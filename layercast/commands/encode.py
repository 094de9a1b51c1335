"""`layercast encode`: pictures -> streams."""

import argparse
from pathlib import Path

from layercast.commands.arguments import Subparsers, add_command, add_encoding, add_json, recipe_of
from layercast.console import progress, report, say
from layercast_errors import UsageError


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """The subcommand's arguments."""
    parser = add_command(
        subparsers,
        "encode",
        "Turn pictures into layered streams of a few hundred bytes",
        'layercast encode photo.jpg -o photo.lcast --prompt "a red fox in snow" --budget 655',
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="pictures in any format Pillow reads")
    parser.add_argument("-o", "--output", required=True, metavar="FILE_OR_DIR", help="where to write")
    add_encoding(parser)
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Encode every picture, then report; a picture that fails ends the run and leaves the earlier ones whole."""
    from codec.composing import compose
    from layercast.reports import describe
    from receiver.files import make_folder

    recipe = recipe_of(options)
    targets = _targets(options.images, options.output)
    rows = []
    with progress(quiet=options.quiet or len(options.images) == 1) as bars:
        task = bars.add_task("encoding", total=len(options.images), note="")
        for image, target in zip(options.images, targets, strict=True):
            bars.update(task, note=image.name)
            composed = compose(image, recipe)
            make_folder(target.parent)
            composed.stream.save(target)
            row = describe(composed.stream, target) | {
                "image": str(image),
                "prompt_source": str(composed.prompt.source),
            }
            rows.append(row)
            bars.advance(task)
            if not options.json:
                _tell(row, composed.stream.notes, quiet=options.quiet)
    if options.json:
        report({"pictures": rows, "mean_bytes": sum(row["bytes"] for row in rows) / len(rows)})


def _targets(images: list[Path], wanted: str) -> list[Path]:
    """The file for each picture: for one the wanted path itself, unless it can only be a folder; else files in it."""
    output = Path(wanted)
    if len(images) == 1 and output.suffix and not output.is_dir() and not wanted.endswith("/"):
        return [output]
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file, and a folder is needed there; a single stream's name ends in .lcast")
    targets = [output / f"{image.stem}.lcast" for image in images]
    if len(set(targets)) < len(targets):
        raise UsageError("two of the pictures have the same name; encode them into different folders")
    return targets


def _tell(row: dict[str, object], notes: tuple[str, ...], *, quiet: bool) -> None:
    say(
        f"{row['file']}: {row['bytes']} bytes, {row['bpp']:.4f} bpp, prompt {row['prompt_source']}: {row['prompt']}",
        quiet=quiet,
    )
    if row["prompt_source"] == "measured":
        say("  nobody said what it shows: the prompt only tells its colours; give one with --prompt", quiet=quiet)
    for note in notes:
        say(f"  {note}", quiet=quiet)
