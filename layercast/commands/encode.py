"""`layercast encode`: pictures -> streams."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.common import Subparsers, add_command, add_encoding, add_json, recipe_of
from layercast.console import progress, report, say
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from codec.container.bitstream import Bitstream
    from codec.encoder.picture import EncodeOptions


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
    search = parser.add_argument_group("seed search")
    search.add_argument(
        "--search-seeds",
        type=int,
        metavar="N",
        help="draw N seeds with the receiver's model, here, and send the one that comes nearest to the picture",
    )
    search.add_argument(
        "--steps", type=int, metavar="N", help="steps that the receiver draws with (default: the model's)"
    )
    search.add_argument("--device", default="auto", help="where to draw them (default: %(default)s)")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Encode every picture, then report; a picture that fails ends the run and leaves the earlier ones whole."""
    from codec.encoder.picture import encode_picture
    from layercast.reports import describe
    from layercast_common.files import make_folder

    recipe = recipe_of(options)
    search = _Search(options, recipe) if options.search_seeds is not None else None
    targets = _targets(options.images, options.output)
    rows = []
    with progress(quiet=options.quiet or (len(options.images) == 1 and search is None)) as bars:
        task = bars.add_task("encoding", total=len(options.images), note="")
        for image, target in zip(options.images, targets, strict=True):
            bars.update(task, note=image.name)
            composed = encode_picture(image, search.recipe if search else recipe)
            stream = search.best(image, composed.stream, bars) if search else composed.stream
            make_folder(target.parent)
            stream.save(target)
            row = describe(stream, target) | {
                "image": str(image),
                "prompt_source": str(composed.prompt.source),
            }
            if search:
                row["seeds"] = search.figures
            rows.append(row)
            bars.advance(task)
            if not options.json:
                _tell(row, composed.stream.notes, quiet=options.quiet)
    if options.json:
        report({"pictures": rows, "mean_bytes": sum(row["bytes"] for row in rows) / len(rows)})


class _Search:
    """Tries seeds for one picture after another, with one loaded model."""

    def __init__(self, options: argparse.Namespace, recipe: "EncodeOptions") -> None:
        from layercast.seed_search import check_count
        from receiver.rendering import load_model

        check_count(options.search_seeds)
        if recipe.seed:
            raise UsageError("--seed and --search-seeds contradict each other; give one of them")
        self.recipe = replace(recipe, seed=options.search_seeds - 1)
        self.figures: dict[str, float] = {}
        self._count = options.search_seeds
        self._steps = options.steps
        self._model = load_model(recipe.model, options.device)

    def best(self, image: Path, stream: "Bitstream", bars: "Progress") -> "Bitstream":
        """The stream with its best seed."""
        from codec.image_io import fit_to_canvas, load_picture
        from layercast.seed_search import search_seeds

        original = fit_to_canvas(load_picture(image).image, stream.header.canvas)
        task = bars.add_task(f"seeds of {image.name}", total=self._count, note="")

        def track(seeds: Iterable[int]) -> Iterator[int]:
            for seed in seeds:
                yield seed
                bars.update(task, completed=seed + 1, note=f"{seed + 1}/{self._count}")
            bars.remove_task(task)

        chosen, tried = search_seeds(stream, original, self._model, self._count, steps=self._steps, track=track)
        scores = [one.score for one in tried]
        self.figures = {
            "tried": self._count,
            "best": tried[0].seed,
            "score": scores[0],
            "mean_score": sum(scores) / len(scores),
            "seed_0_score": next(one.score for one in tried if one.seed == 0),
        }
        return chosen


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
    if seeds := row.get("seeds"):
        assert isinstance(seeds, dict)
        say(
            f"  seed {seeds['best']} of {seeds['tried']}: {seeds['score']:.3f} near, "
            f"where they are {seeds['mean_score']:.3f} on the average",
            quiet=quiet,
        )
    if row["prompt_source"] == "measured":
        say("  nobody said what it shows: the prompt only tells its colours; give one with --prompt", quiet=quiet)
    for note in notes:
        say(f"  {note}", quiet=quiet)
