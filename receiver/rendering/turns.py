"""Which jobs the device works on next. Pure."""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """What is asked of a job that waits for its turn.

    Attributes:
        shown: whether it gave a frame yet.
        last_turn: number of the turn in which it was worked on last; -1 if never.
        shape: jobs of one shape fit into one batch.
    """

    @property
    def shown(self) -> bool: ...
    @property
    def last_turn(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...


W = TypeVar("W", bound=Waiting)


def choose_batch(waiting: Iterable[W], limit: int) -> list[W]:
    """Choose up to `limit` jobs of one shape: first those without a frame, then those that waited longest."""
    queue = sorted(waiting, key=lambda job: (job.shown, job.last_turn))
    return [job for job in queue if job.shape == queue[0].shape][:limit]
