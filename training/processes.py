"""Pictures worked through by several processes at a time."""

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tqdm import tqdm

Job = TypeVar("Job")
Done = TypeVar("Done")


def work_through(function: Callable[[Job], Done], jobs: Sequence[Job], processes: int, name: str) -> list[Done]:
    """What `function` makes of each job, in their order; a single process is this one, which is set up already."""

    def shown(done: Iterable[Done]) -> list[Done]:
        return list(tqdm(done, total=len(jobs), desc=name, mininterval=5))

    if processes == 1:
        return shown(map(function, jobs))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return shown(pool.imap(function, jobs, chunksize=16))
