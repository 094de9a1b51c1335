"""A run: every picture, every contender, every budget, in several processes."""

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codec.layers import Size
from evaluation.quality.external import ExtraFigure
from evaluation.rate_distortion.cache import PointCache
from evaluation.rate_distortion.contenders import Contender
from evaluation.rate_distortion.pictures import EvaluatedPicture
from evaluation.rate_distortion.points import Point
from evaluation.worker_processes import worker_pool
from layercast_common.errors import LayercastError, UsageError

#: Folder of the measured points, in the folder of the results.
CACHE = "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is measured.

    Attributes:
        pictures: the pictures' files; at least one.
        budgets: numbers of bytes, ascending.
        figures: names of figures of quality, apart from the extra ones.
        contenders: what is compared; no two of one name and seed.
        output: folder of the results; measured points are kept in it.
        extra: extra figures, such as commands.
        canvas: (width, height) in pixels; "native" for each picture's own size; None for its default canvas.
        prompts: folder or file of prompts, which may change results.
        jobs: processes to measure in, at least 1.

    Raises:
        UsageError: there are no budgets, or a budget or the number of processes is not positive.
    """

    pictures: Sequence[Path]
    budgets: Sequence[int]
    figures: Sequence[str]
    contenders: Sequence[Contender]
    output: Path
    extra: Sequence[ExtraFigure] = ()
    canvas: Size | Literal["native"] | None = None
    prompts: Path | None = None
    jobs: int = 1

    def __post_init__(self) -> None:
        if not self.budgets or min(self.budgets) < 1:
            raise UsageError("a budget is a positive number of bytes, such as 655")
        if self.jobs < 1:
            raise UsageError(f"at least one process measures, not {self.jobs}")

    @property
    def all_figures(self) -> tuple[str, ...]:
        """Names of all figures, the extra ones last."""
        return (*self.figures, *(figure.name for figure in self.extra))

    def subject(self, path: Path) -> EvaluatedPicture:
        """Return a picture, ready to be measured."""
        return EvaluatedPicture(path, self.canvas, {figure.name: figure for figure in self.extra})


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedPart:
    """A finished part of a run: one contender on one picture.

    Attributes:
        points: the points, in the order of the budgets.
        measured: how many of them were measured now, and not read from disk.
    """

    points: Sequence[Point]
    measured: int


def measure(options: RunOptions, on_done: Callable[[FinishedPart], None] = lambda _: None) -> list[Point]:
    """Measure everything that is not on disk already.

    Args:
        options: what is measured.
        on_done: called after each contender on each picture.

    Returns:
        The points: by contender, then by picture, then by budget.

    Raises:
        LayercastError: a picture cannot be read, encoded or rendered, or a result cannot be written.
    """
    tasks = [(contender, path) for path in options.pictures for contender in options.contenders]
    found: dict[int, Sequence[Point]] = {}
    if options.jobs == 1:
        for number, task in enumerate(tasks):
            done = _measure_one(options, *task)
            found[number] = done.points
            on_done(done)
    else:
        with worker_pool(options.jobs) as pool:
            futures = {pool.submit(_measure_one, options, *task): number for number, task in enumerate(tasks)}
            for future in as_completed(futures):
                try:
                    done = future.result()
                except BrokenProcessPool as error:
                    raise LayercastError(
                        "a measuring process ended, perhaps for lack of memory; use fewer --jobs, and run the command "
                        "again: it goes on where it was"
                    ) from error
                found[futures[future]] = done.points
                on_done(done)
    order = sorted(range(len(tasks)), key=lambda number: (number % len(options.contenders), number))
    return [point for number in order for point in found[number]]


def _measure_one(options: RunOptions, contender: Contender, path: Path) -> FinishedPart:
    subject = options.subject(path)
    about = [*options.figures, *(figure.identity() for figure in options.extra)]
    key = "\n".join([subject.digest(options.prompts), contender.identity(), ",".join(about)])
    cache = PointCache(options.output / CACHE, key)
    missing = [budget for budget in options.budgets if cache.get(budget) is None]
    for point in contender.measure(subject, missing, options.all_figures):
        cache.add(point)
    points = [cache.get(budget) for budget in options.budgets]
    return FinishedPart(points=[point for point in points if point is not None], measured=len(missing))
