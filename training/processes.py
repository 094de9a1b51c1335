"""Map a function over pictures in several processes."""

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_parallel(function: Callable[[Item], Result], items: Sequence[Item], processes: int, name: str) -> list[Result]:
    """Return the results of a function for all items, in order, with a progress bar.

    Args:
        function: a function that can be pickled.
        items: its arguments.
        processes: number of processes; 1 runs in this process.
        name: label of the progress bar.
    """

    def collect(results: Iterable[Result]) -> list[Result]:
        return list(tqdm(results, total=len(items), desc=name, mininterval=5))

    if processes == 1:
        return collect(map(function, items))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return collect(pool.imap(function, items, chunksize=16))
