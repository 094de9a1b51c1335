"""A run: every picture, every contender, every budget, in several processes."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codec.layers import Size
from evaluation.rate_distortion.cache import PointCache
from evaluation.rate_distortion.contenders import Contender
from evaluation.rate_distortion.pictures import Subject
from evaluation.rate_distortion.points import Point
from layercast_common.errors import LayercastError, UsageError

#: Folder of the measured points, in the folder of the results.
CACHE = "cache"

#: Exit code of a process that Ctrl-C has stopped.
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is measured.

    Attributes:
        pictures: the pictures' files; at least one.
        budgets: numbers of bytes, ascending.
        figures: names of figures of quality.
        contenders: what is compared; no two of one name and seed.
        output: folder of the results; measured points are kept in it.
        canvas: (width, height) in pixels; None for the default canvas of each picture.
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
    canvas: Size | None = None
    prompts: Path | None = None
    jobs: int = 1

    def __post_init__(self) -> None:
        if not self.budgets or min(self.budgets) < 1:
            raise UsageError("a budget is a positive number of bytes, such as 655")
        if self.jobs < 1:
            raise UsageError(f"at least one process measures, not {self.jobs}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished part of a run: one contender on one picture.

    Attributes:
        points: the points, in the order of the budgets.
        measured: how many of them were measured now, and not read from disk.
    """

    points: Sequence[Point]
    measured: int


def measure(options: RunOptions, on_done: Callable[[Done], None] = lambda _: None) -> list[Point]:
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
        with _processes(options.jobs) as pool:
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


def _measure_one(options: RunOptions, contender: Contender, path: Path) -> Done:
    subject = Subject(path, options.canvas)
    key = "\n".join([subject.digest(options.prompts), contender.identity(), ",".join(options.figures)])
    cache = PointCache(options.output / CACHE, key)
    missing = [budget for budget in options.budgets if cache.get(budget) is None]
    for point in contender.measure(subject, missing, options.figures):
        cache.add(point)
    points = [cache.get(budget) for budget in options.budgets]
    return Done(points=[point for point in points if point is not None], measured=len(missing))


@contextmanager
def _processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes for the block; an error or Ctrl-C ends them at once."""
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _set_up_process, (jobs,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    pool.shutdown()


def _set_up_process(jobs: int) -> None:
    """Share the processors out between the processes, and end silently at Ctrl-C."""
    import cv2

    signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    threads = max(1, (os.cpu_count() or 1) // jobs)
    cv2.setNumThreads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
