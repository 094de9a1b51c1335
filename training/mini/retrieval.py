"""Stage 7: build the model's retrieval index, training pictures in a few hundred bytes by the names of subjects.

It runs after the export. Some labels are wrong, so a picture is in the index only if `training.data.subject_check` is
certain of its subject. Some pictures cannot be restored from so few bytes, so the model renders each of them, and the
captioner must recognise the subject in the rendering. Held-out pictures are left out. Each object is in the index once,
on a plain ground.

example:
    python -m training.mini.retrieval --data DATA --objects OBJECTS --out receiver/rendering/weights/mini
"""

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from codec.analysis.captioning.classifier import classify
from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import Semantic
from receiver.rendering.engine.direct import render
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.files import RETRIEVAL_FOLDER
from receiver.rendering.models.model import Model
from receiver.rendering.retrieval import RetrievalIndex, RetrievedPicture
from training.data.captions import MEDIA, SUBJECTS
from training.data.conditions import CANVAS
from training.data.scenes import Thing, draw_alone, read_things
from training.data.subject_check import has_certain_subject
from training.data.tiles import Rows, Source, Tile, add_source_options, add_work_option, load_tile
from training.processes import map_parallel

#: Most bytes of a picture.
BUDGET = 600

#: Grounds of objects; the one with most contrast is used.
GROUNDS = ("white", "light gray", "navy blue")


@dataclass(frozen=True, slots=True)
class DrawTask:
    """A picture of the data set, or an object, to add to the index."""

    source: Source
    about: Tile | Thing


def tags_of(about: Tile | Thing) -> tuple[str, ...]:
    """Return the words for medium and style of a picture; none for an object."""
    if isinstance(about, Thing):
        return ()
    labels = [name.lower() for name in about.categories]
    return tuple(dict.fromkeys([*labels, *(word for label in labels for word in MEDIA.get(label, ())), about.style]))


def make_entry(task: DrawTask) -> RetrievedPicture:
    """Encode one picture as an entry of the index, with all names that it may have."""
    names = (task.about.name,) if isinstance(task.about, Thing) else SUBJECTS.get(task.about.subject or "", ())
    stream = encode(draw(task), "", EncodeOptions(budget=BUDGET))
    return RetrievedPicture(names, tags_of(task.about), stream.to_bytes())


def is_recognised(picture: RetrievedPicture, subject: str, model: Model) -> bool:
    """Return whether the captioner recognises a subject in a model's rendering of an entry."""
    priors = Bitstream.from_bytes(picture.stream).decode()
    *_, last = render(replace(priors, semantic=Semantic(subject)), model=model)
    seen = classify(last.image).subjects
    return subject == max(seen, key=lambda name: seen[name])


def draw(task: DrawTask) -> NDArray[np.uint8]:
    """Return the picture of a task, (CANVAS, CANVAS, 3) uint8 RGB."""
    if isinstance(task.about, Tile):
        return np.asarray(load_tile(task.source.data, task.about).resize((CANVAS, CANVAS)), np.uint8)
    assert task.source.objects
    return draw_alone(task.source.objects, task.about, GROUNDS, CANVAS)


def build(source: Source, work: Path, model: Model, processes: int) -> RetrievalIndex:
    """Build the index from the tiles of the training split in `work`, and from every object.

    Args:
        source: the folders of the data set.
        work: the folder that the stages share.
        model: the exported model, for the captioner's check.
        processes: parallel processes.
    """
    tiles = Rows.load(work / "train.json").tiles
    certain = tqdm(has_certain_subject(source, tiles), desc="subjects", total=len(tiles), mininterval=5)
    tiles = [tile for tile, is_certain in zip(tiles, certain, strict=True) if is_certain]
    things = read_things(source.objects) if source.objects else []
    tasks = [DrawTask(source, tile) for tile in tiles] + [DrawTask(source, thing) for thing in things]
    pictures = map_parallel(make_entry, tasks, processes, "index")
    people_and_streets = zip(pictures, tqdm(tiles, desc="renderings", mininterval=5), strict=False)
    recognised = [entry for entry, tile in people_and_streets if is_recognised(entry, str(tile.subject), model)]
    return RetrievalIndex([*recognised, *pictures[len(tiles) :]])


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    add_work_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("receiver/rendering/weights/mini"),
        help="folder of the exported model (default: %(default)s)",
    )
    parser.add_argument("--processes", type=int, default=1, help="parallel processes (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    source, model = Source(options.data, options.objects), load_model(options.out)
    build(source, options.work, model, options.processes).save(options.out / RETRIEVAL_FOLDER)


if __name__ == "__main__":
    main()
