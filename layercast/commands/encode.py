"""`layercast encode`: encodes pictures as streams."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.encoding import add_encoding, encoding_of
from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import progress, report, say
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from codec.container.bitstream import Bitstream
    from codec.container.guess import Guess
    from codec.encoder.options import EncodeOptions


#: Share of a picture's area that may be cropped without a word.
SAID_CROP = 0.01


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "encode",
        "Encode pictures as layered streams of a few hundred bytes",
        'layercast encode photo.jpg -o photo.lcast --prompt "a red fox in snow" --budget 655',
    )
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="PNG, JPEG, WebP, AVIF, GIF, TIFF and other pictures"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE_OR_DIR", help="file to write, or folder for NAME.lcast"
    )
    add_encoding(parser)
    search = parser.add_argument_group("seed search")
    search.add_argument(
        "--search-seeds",
        type=int,
        metavar="N",
        help="render N seeds here with the receiver's model, and use the one whose result is closest to the picture",
    )
    search.add_argument(
        "--steps", type=int, metavar="N", help="denoising steps of the receiver (default: the model's own)"
    )
    search.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> int | None:
    """Encode every picture, then report. Return the exit code if a picture failed; the others are encoded."""
    from codec.encoder.picture import encode_picture
    from layercast.batch import BatchFailures
    from layercast.reports import describe
    from layercast_common.files import make_folder

    encoding = encoding_of(options)
    search = _SeedSearch(options, encoding) if options.search_seeds is not None else None
    targets = _targets(options.images, options.output)
    rows = []
    batch = BatchFailures(len(options.images))
    with progress(quiet=options.quiet or (len(options.images) == 1 and search is None)) as bars:
        task = bars.add_task("encoding", total=len(options.images), note="")
        for image, target in zip(options.images, targets, strict=True):
            bars.update(task, note=image.name)
            bars.advance(task)
            encoded = None
            with batch.picture(image):
                encoded = encode_picture(image, search.encoding if search else encoding)
            if encoded is None:
                continue
            stream = search.choose_seed(image, encoded.stream, bars) if search else encoded.stream
            make_folder(target.parent)
            stream.save(target)
            row = describe(stream, target) | {
                "image": str(image),
                "prompt_source": str(encoded.prompt.source),
                "cropped": encoded.cropped,
                "notes": list(encoded.stream.notes),
            }
            if search:
                row["seeds"] = search.figures
            rows.append(row)
            if not options.json:
                _print_row(row, stream.header.guess, encoded.stream.notes, quiet=options.quiet)
    if options.json:
        mean = sum(row["bytes"] for row in rows) / len(rows) if rows else None
        report({"pictures": rows, "failed": batch.failed, "mean_bytes": mean})
    return batch.code


class _SeedSearch:
    """Seed search for one picture after another, with one loaded model."""

    def __init__(self, options: argparse.Namespace, encoding: "EncodeOptions") -> None:
        from layercast.seed_search import check_count
        from receiver.rendering import load_model

        check_count(options.search_seeds)
        if encoding.seed:
            raise UsageError("--seed and --search-seeds exclude each other")
        self.encoding = replace(encoding, seed=options.search_seeds - 1)
        self.figures: dict[str, float] = {}
        self._count = options.search_seeds
        self._steps = options.steps
        self._model = load_model(encoding.model, options.device)

    def choose_seed(self, image: Path, stream: "Bitstream", bars: "Progress") -> "Bitstream":
        """Return the stream with its best seed."""
        from codec.canvas import fit_to_canvas
        from codec.image_io import load_picture
        from layercast.seed_search import search_seeds

        original = fit_to_canvas(load_picture(image).image, stream.header.canvas)
        task = bars.add_task(f"seeds of {image.name}", total=self._count, note="")

        def track(seeds: Iterable[int]) -> Iterator[int]:
            for seed in seeds:
                yield seed
                bars.update(task, completed=seed + 1, note=f"{seed + 1}/{self._count}")
            bars.remove_task(task)

        chosen, tried = search_seeds(stream, original, self._model, self._count, steps=self._steps, track=track)
        scores = [result.score for result in tried]
        self.figures = {
            "tried": self._count,
            "best": tried[0].seed,
            "score": scores[0],
            "mean_score": sum(scores) / len(scores),
            "seed_0_score": next(result.score for result in tried if result.seed == 0),
        }
        return chosen


def _targets(images: list[Path], wanted: str) -> list[Path]:
    """Return the output file of each picture: `wanted` for a single picture unless it is a folder, else files in it."""
    output = Path(wanted)
    if len(images) > 1 and output.suffix == ".lcast" and not output.is_dir():
        raise UsageError(
            f"{output} is one stream, and there are {len(images)} pictures: name a folder (a name that does not end in "
            f".lcast), such as -o {output.parent / output.stem}/"
        )
    if len(images) == 1 and output.suffix and not output.is_dir() and not wanted.endswith("/"):
        return [output]
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file, not a folder; to write a single stream there, end its name in .lcast")
    from layercast.batch import refuse_same_names

    refuse_same_names(images)
    return [output / f"{image.stem}.lcast" for image in images]


def _print_row(row: dict[str, object], guess: "Guess | None", notes: tuple[str, ...], *, quiet: bool) -> None:
    say(
        f"{row['file']}: {row['bytes']} bytes, {row['bpp']:.4f} bpp, prompt {row['prompt_source']}: {row['prompt']}",
        quiet=quiet,
    )
    if seeds := row.get("seeds"):
        assert isinstance(seeds, dict)
        say(
            f"  seed {seeds['best']} of {seeds['tried']}: score {seeds['score']:.3f}, "
            f"mean of all seeds {seeds['mean_score']:.3f}",
            quiet=quiet,
        )
    if guess:
        say(f"  no prompt found; this one is {guess.describe()}; give one with --prompt", quiet=quiet)
    cropped = row["cropped"]
    if isinstance(cropped, float) and cropped >= SAID_CROP:
        say(
            f"  cropped to {row['width']}x{row['height']}: {100 * cropped:.0f} % of the picture is not shown; "
            "--canvas WxH chooses another size",
            quiet=quiet,
        )
    for note in notes:
        say(f"  {note}", quiet=quiet)
