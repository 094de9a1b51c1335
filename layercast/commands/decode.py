"""`layercast decode`: renders streams at each level."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.commands.options.rendering import add_rendering, tuning_of
from layercast.console import progress, report, say
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream
    from codec.layers import Layer, Priors


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "decode",
        "Render streams at each level: NAME.semantic.png, NAME.structure.png, and so on",
        "layercast decode photo.lcast -o out/ --levels texture",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".lcast files")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--levels",
        default="semantic,structure,texture,detail",
        help="levels to render if the stream has them, each from its own layer and those below (default: %(default)s)",
    )
    parser.add_argument("--partial", action="store_true", help="accept truncated streams")
    parser.add_argument("--save-priors", action="store_true", help="also write prompt, lines, colours and planes")
    add_rendering(parser)
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> int | None:
    """Render every level of every stream with one loaded model. Return the exit code if a stream failed."""
    from layercast.batch import BatchFailures, refuse_same_names
    from layercast.levels import levels_of, parse_levels
    from layercast.reports import layer_name, load_stream
    from layercast_common.files import make_folder, save_whole
    from receiver.rendering.engine.direct import LevelRenderer
    from receiver.rendering.model_files.fingerprint import describe_mismatch

    levels = parse_levels(options.levels)
    refuse_same_names(options.files)
    batch, streams = BatchFailures(len(options.files)), []
    for path in options.files:
        with batch.picture(path):
            stream = load_stream(path, partial=options.partial)
            check_renderable(stream, levels, path)
            streams.append((path, stream))
    if not streams:
        return batch.code
    # After the streams are read: the import of torch takes seconds.
    from receiver.rendering import load_model

    name = options.model or streams[0][1].header.model
    model = load_model(name, options.device, performance=options.performance, tuning=tuning_of(options))
    make_folder(options.output)
    rows = []
    with progress(quiet=options.quiet) as bars:
        for path, stream in streams:
            priors = stream.decode()
            renderer = LevelRenderer(model, stream.header.seed, steps=options.steps)
            written: dict[str, str] = {}
            work: dict[str, dict[str, float]] = {}
            for level, known in levels_of(priors, levels):
                task = bars.add_task(f"{path.stem} {layer_name(level)}", total=None, note="")
                before, started = renderer.passes, time.perf_counter()
                for frame in renderer.render(known):
                    bars.update(task, completed=frame.step, total=frame.steps, note=f"step {frame.step}/{frame.steps}")
                target = options.output / f"{path.stem}.{layer_name(level)}.png"
                taken = time.perf_counter() - started
                save_whole(frame.image, target)
                written[layer_name(level)] = str(target)
                work[layer_name(level)] = {"passes": renderer.passes - before, "seconds": round(taken, 3)}
            if options.save_priors:
                save_priors(priors, options.output, path.stem)
            row = {"file": str(path), "bytes": len(stream.to_bytes()), "model": name, "levels": written, "work": work}
            rows.append(row)
            if difference := describe_mismatch(stream.header.model, model.name, model.revision):
                say(f"{path}: {difference}", quiet=options.quiet)
            if not options.json:
                say(f"{path}: {', '.join(written.values())}", quiet=options.quiet)
    if options.json:
        report({"pictures": rows, "failed": batch.failed})
    return batch.code


def check_renderable(stream: "Bitstream", levels: frozenset["Layer"], path: Path) -> None:
    """Check that a stream has at least one of the levels.

    Raises:
        BitstreamError: it has no layer that this version can render, or a damaged one.
        UsageError: it has only other levels.
    """
    from layercast.reports import layer_name
    from layercast_common.errors import BitstreamError

    present = stream.decode().layers
    if not present:
        raise BitstreamError(f"{path}: contains no layer that this version can render")
    if not present & levels:
        names = ", ".join(layer_name(layer) for layer in sorted(present))
        raise UsageError(f"{path}: contains none of these levels; it has {names}")


def save_priors(priors: "Priors", folder: Path, stem: str) -> None:
    """Write the layers in readable form: STEM.prompt.txt, .edges.png, .people.png, .colors.png, .plane.png.

    Raises:
        StorageError: a file cannot be written.
    """
    from PIL import Image

    from codec.layers import Skeleton
    from layercast_common.files import save_whole

    if priors.semantic:
        save_whole(priors.semantic.prompt + "\n", folder / f"{stem}.prompt.txt")
    for prior in (priors.structure, priors.skeleton):
        if prior:
            name = "people" if isinstance(prior, Skeleton) else "edges"
            save_whole(Image.fromarray(prior.to_image()), folder / f"{stem}.{name}.png")
    if priors.texture:
        save_whole(Image.fromarray(priors.texture.to_image()), folder / f"{stem}.colors.png")
    if priors.plane:
        save_whole(Image.fromarray(priors.plane.to_image()), folder / f"{stem}.plane.png")
