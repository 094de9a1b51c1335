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
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE_OR_DIR", help="where to write")
    add_encoding(parser)
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Encode every picture, then report; a picture that fails ends the run and leaves the earlier ones whole."""
    from codec.composing import compose
    from layercast.reports import describe

    recipe = recipe_of(options)
    targets = _targets(options.images, options.output)
    rows = []
    with progress(quiet=options.quiet or len(options.images) == 1) as bars:
        task = bars.add_task("encoding", total=len(options.images), note="")
        for image, target in zip(options.images, targets, strict=True):
            bars.update(task, note=image.name)
            composed = compose(image, recipe)
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


def _targets(images: list[Path], output: Path) -> list[Path]:
    """The file for each picture: `output` itself for one, files in the folder `output` for several."""
    if len(images) == 1 and not output.is_dir() and not str(output).endswith("/") and output.suffix:
        output.parent.mkdir(parents=True, exist_ok=True)
        return [output]
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file; several pictures need a folder")
    targets = [output / f"{image.stem}.lcast" for image in images]
    if len(set(targets)) < len(targets):
        raise UsageError("two of the pictures have the same name; encode them into different folders")
    output.mkdir(parents=True, exist_ok=True)
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
