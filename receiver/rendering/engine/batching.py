"""Which jobs the device works on next. Pure."""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Protocol, TypeVar

#: Every so many turns, who waited longest goes first, whatever comes in meanwhile: so nobody waits for ever.
OLDEST_EVERY = 8


class Waiting(Protocol):
    """What is asked of a job that waits for its turn.

    Attributes:
        shown: whether it gave a frame yet.
        to_frame: steps until its first frame; 0 once it is shown.
        session: whose picture it is.
        admitted: number of the turn before which it came.
        last_turn: number of the turn in which it was worked on last; -1 if never.
        shape: jobs of one shape fit into one batch.
    """

    @property
    def shown(self) -> bool: ...
    @property
    def to_frame(self) -> int: ...
    @property
    def session(self) -> Hashable: ...
    @property
    def admitted(self) -> int: ...
    @property
    def last_turn(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...


W = TypeVar("W", bound=Waiting)


def choose_batch(waiting: Iterable[W], limit: int, turn: int = 0) -> list[W]:
    """Choose up to `limit` jobs of one shape.

    First those without a frame; among equals the session that was served least lately and has least in this batch;
    of one session the job that is nearest to its first frame, then the one that waited longest.

    Args:
        turn: number of this turn; every `OLDEST_EVERY`th begins with the job that waited longest of all.
    """
    queue = list(waiting)
    served: dict[Hashable, int] = {}
    for job in queue:
        served[job.session] = max(served.get(job.session, -1), job.last_turn)
    in_batch: Counter[Hashable] = Counter()

    def urgency(job: W) -> tuple[int, ...]:
        return (job.shown, in_batch[job.session], served[job.session], job.to_frame, _since(job))

    chosen: list[W] = []
    while queue and len(chosen) < limit:
        oldest = not chosen and turn % OLDEST_EVERY == OLDEST_EVERY - 1
        job = min(queue, key=_since) if oldest else min(queue, key=urgency)
        chosen.append(job)
        in_batch[job.session] += 1
        queue = [other for other in queue if other is not job and other.shape == job.shape]
    return chosen


def _since(job: Waiting) -> int:
    return max(job.admitted, job.last_turn)
