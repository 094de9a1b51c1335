"""Continuous batching: which jobs share the next UNet pass. Pure.

Jobs join and leave the batch between two passes (iteration-level scheduling; Yu et al., "Orca", OSDI 2022).
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Protocol, TypeVar

#: Every so many passes the job that waited longest goes first, so that no job starves.
OLDEST_EVERY = 8

#: Passes with a smaller batch after the device's memory was full, before a larger one is tried again; each failure
#: doubles them, up to the second number.
GROW_AFTER, GROW_AFTER_MOST = 64, 4096


class BatchCandidate(Protocol):
    """A job that waits for a place in a batch.

    Attributes:
        shown: whether it has produced a frame.
        to_frame: steps until its first frame; 0 once it has produced one.
        session: the session that its picture belongs to.
        admitted: number of the pass before which the job was admitted.
        last_pass: number of the last pass that included the job; -1 if none did.
        shape: only jobs of one shape fit into one batch.
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
    def last_pass(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...


C = TypeVar("C", bound=BatchCandidate)


def choose_batch(candidates: Iterable[C], limit: int, pass_number: int = 0) -> list[C]:
    """Choose up to `limit` jobs of one shape.

    Jobs without a frame go first. Among equals goes the session that was served least recently and has fewest jobs in
    this batch; within a session the job nearest to its first frame, then the one that waited longest.

    Args:
        candidates: all jobs that wait.
        limit: size of the batch.
        pass_number: number of this pass; every `OLDEST_EVERY`th starts with the job that waited longest.
    """
    queue = list(candidates)
    served: dict[Hashable, int] = {}
    for job in queue:
        served[job.session] = max(served.get(job.session, -1), job.last_pass)
    in_batch: Counter[Hashable] = Counter()

    def urgency(job: C) -> tuple[int, ...]:
        return (job.shown, in_batch[job.session], served[job.session], job.to_frame, _waiting_since(job))

    chosen: list[C] = []
    while queue and len(chosen) < limit:
        oldest = not chosen and pass_number % OLDEST_EVERY == OLDEST_EVERY - 1
        job = min(queue, key=_waiting_since) if oldest else min(queue, key=urgency)
        chosen.append(job)
        in_batch[job.session] += 1
        queue = [other for other in queue if other is not job and other.shape == job.shape]
    return chosen


def _waiting_since(job: BatchCandidate) -> int:
    return max(job.admitted, job.last_pass)


class BatchLimit:
    """The number of pictures in a batch: halved when the device's memory is full, and doubled again later.

    Attributes:
        size: the largest batch at present.
    """

    def __init__(self, most: int, least: int = 1) -> None:
        """Start with the largest batch.

        Args:
            most: pictures in the largest batch, at least 1.
            least: pictures in the smallest batch; 0 if there is a way to work on less than one picture.
        """
        self.size = most
        self._most = most
        self._least = least
        self._wait = GROW_AFTER
        self._passes = 0

    def shrink(self, tried: int) -> None:
        """Record that a batch of `tried` pictures did not fit into the memory."""
        self.size = max(self._least, min(self.size, tried) // 2)
        self._passes = 0

    def record_pass(self) -> None:
        """Record a pass that fitted; after enough of them the next batch may be larger."""
        if self.size == self._most:
            return
        self._passes += 1
        if self._passes >= self._wait:
            self.size = min(self._most, max(1, 2 * self.size))
            self._wait = min(GROW_AFTER_MOST, 2 * self._wait)
            self._passes = 0
