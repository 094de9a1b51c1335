"""Stage 7: what the model remembers: its training pictures' lines and colours, by the names of what is on them.

python -m training.memory --data DATA --objects OBJECTS --work build/training --out receiver/rendering/weights/mini

Pictures that are kept out of training are not remembered either. An object is remembered once, in the middle of a plain
ground.
"""

import argparse
import logging
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from codec.encoding import encode
from receiver.rendering.files import MEMORY
from receiver.rendering.memory import Memory, Picture
from training.captions import MEDIA, SUBJECTS
from training.conditions import CANVAS
from training.data import Rows, Source, Tile, add_source_options, load_tile
from training.scenes import Thing, draw_alone, read_things

#: Bytes that a picture may take.
BUDGET = 600

#: Grounds of objects: whichever the object stands out from best.
GROUNDS = ("white", "light gray", "navy blue")


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be remembered: a picture of the data set, or an object."""

    source: Source
    about: Tile | Thing


def names_of(about: Tile | Thing) -> tuple[str, ...]:
    """What is on a picture, in all the ways it may be called."""
    if isinstance(about, Thing):
        return (about.name,)
    return SUBJECTS[about.subject] if about.subject else ()


def tags_of(about: Tile | Thing) -> tuple[str, ...]:
    """Words for medium and style."""
    if isinstance(about, Thing):
        return ()
    labels = [name.lower() for name in about.categories]
    return tuple(dict.fromkeys([*labels, *(word for label in labels for word in MEDIA.get(label, ())), about.style]))


def remember(job: Job) -> Picture:
    """One picture as it is remembered."""
    picture = draw(job)
    stream = encode(picture, "", budget=BUDGET)
    return Picture(names_of(job.about), tags_of(job.about), stream.to_bytes())


def draw(job: Job) -> NDArray[np.uint8]:
    """The picture itself, (CANVAS, CANVAS, 3) uint8 RGB."""
    if isinstance(job.about, Tile):
        return np.asarray(load_tile(job.source.data, job.about).resize((CANVAS, CANVAS)), np.uint8)
    assert job.source.objects
    return draw_alone(job.source.objects, job.about, GROUNDS, CANVAS)


def build(source: Source, work: Path, processes: int) -> Memory:
    """Remember the tiles of the training split of `work`, and every object."""
    tiles = Rows.load(work / "train.json").tiles
    things = read_things(source.objects) if source.objects else []
    jobs = [Job(source, tile) for tile in tiles] + [Job(source, thing) for thing in things]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        worked = pool.imap(remember, jobs, chunksize=16)
        return Memory(list(tqdm(worked, total=len(jobs), desc="memory", mininterval=5)))


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument("--out", type=Path, default=Path("receiver/rendering/weights/mini"))
    parser.add_argument("--processes", type=int, default=1, help="pictures at a time (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build(Source(options.data, options.objects), options.work, options.processes).save(options.out / MEMORY)


if __name__ == "__main__":
    main()
