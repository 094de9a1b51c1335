"""Stage 7: what the model remembers: its training pictures' lines and colours, by the names of what is on them.

python -m training.mini.retrieval --data DATA --objects OBJECTS --work build/training \
    --out receiver/rendering/weights/mini

Comes after the export: the model draws every picture that shows somebody or something, and only what the captioner then
sees on it can be asked for by that name. Labels are not always right, and not everything can be drawn in so few bytes.
Pictures that are kept out of training are not remembered. An object is remembered once, in the middle of a plain
ground.
"""

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from codec.analysis.captioning.classifier import classify
from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.layers import Semantic
from receiver.rendering.engine.direct import render
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.files import RETRIEVAL_FOLDER
from receiver.rendering.models.model import Model
from receiver.rendering.retrieval import RetrievalIndex, RetrievedPicture
from training.data.captions import MEDIA, SUBJECTS
from training.data.conditions import CANVAS
from training.data.scenes import Thing, draw_alone, read_things
from training.data.tiles import Rows, Source, Tile, add_source_options, load_tile
from training.processes import work_through

#: Bytes that a picture may take.
BUDGET = 600

#: Grounds of objects: whichever the object stands out from best.
GROUNDS = ("white", "light gray", "navy blue")


@dataclass(frozen=True, slots=True)
class DrawTask:
    """What is to be remembered: a picture of the data set, or an object."""

    source: Source
    about: Tile | Thing


def tags_of(about: Tile | Thing) -> tuple[str, ...]:
    """Words for medium and style."""
    if isinstance(about, Thing):
        return ()
    labels = [name.lower() for name in about.categories]
    return tuple(dict.fromkeys([*labels, *(word for label in labels for word in MEDIA.get(label, ())), about.style]))


def remember(job: DrawTask) -> RetrievedPicture:
    """One picture as it is remembered, with all the names that it may have."""
    names = (job.about.name,) if isinstance(job.about, Thing) else SUBJECTS.get(job.about.subject or "", ())
    return RetrievedPicture(names, tags_of(job.about), encode(draw(job), "", budget=BUDGET).to_bytes())


def can_be_told(picture: RetrievedPicture, subject: str, model: Model) -> bool:
    """Whether the captioner sees a subject on what a model draws of a remembered picture."""
    priors = Bitstream.from_bytes(picture.stream).decode()
    *_, last = render(replace(priors, semantic=Semantic(subject)), model=model)
    seen = classify(last.image).subjects
    return subject == max(seen, key=lambda name: seen[name])


def draw(job: DrawTask) -> NDArray[np.uint8]:
    """The picture itself, (CANVAS, CANVAS, 3) uint8 RGB."""
    if isinstance(job.about, Tile):
        return np.asarray(load_tile(job.source.data, job.about).resize((CANVAS, CANVAS)), np.uint8)
    assert job.source.objects
    return draw_alone(job.source.objects, job.about, GROUNDS, CANVAS)


def build(source: Source, work: Path, model: Model, processes: int) -> RetrievalIndex:
    """Remember the tiles of the training split of `work`, and every object."""
    tiles = Rows.load(work / "train.json").tiles
    things = read_things(source.objects) if source.objects else []
    jobs = [DrawTask(source, tile) for tile in tiles] + [DrawTask(source, thing) for thing in things]
    pictures = work_through(remember, jobs, processes, "memory")
    for number, tile in enumerate(tqdm(tiles, desc="names", mininterval=5)):
        if tile.subject and not can_be_told(pictures[number], tile.subject, model):
            pictures[number] = msgspec.structs.replace(pictures[number], names=())
    return RetrievalIndex(pictures)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument(
        "--out", type=Path, default=Path("receiver/rendering/weights/mini"), help="folder of the exported model"
    )
    parser.add_argument("--processes", type=int, default=1, help="pictures at a time (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    source, model = Source(options.data, options.objects), load_model(options.out)
    build(source, options.work, model, options.processes).save(options.out / RETRIEVAL_FOLDER)


if __name__ == "__main__":
    main()
