"""The fragments of one section: sent in order, retransmitted when lost, and protected by repair packets."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from protocol.recovery.fec_policy import groups

#: Returns how many repair packets a group of so many fragments gets now.
RepairPolicy = Callable[[int], int]


def no_repair(fragments: int) -> int:
    """Return 0: the repair policy of a link without loss."""
    del fragments
    return 0


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment or repair piece to send.

    Attributes:
        index: the fragment's index; for a repair piece, the last fragment of its group.
        retransmit: whether it was sent before.
        repair: 0 for the fragment itself, else the number of the repair piece in its group, from 1.
    """

    index: int
    retransmit: bool
    repair: int = 0


class FragmentTracker:
    """The delivery state of one section's fragments.

    Args:
        count: the number of fragments.

    Attributes:
        count: as above.
        dropped: whether the section is cancelled.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.dropped = False
        self._next_index = 0
        self._lost: list[int] = []
        self._acked: set[int] = set()
        self._groups = groups(count)
        # The first group that may still get repair, its granted repair packets, and how many of them were sent.
        self._group = 0
        self._granted: int | None = None
        self._repairs_sent = 0

    @property
    def begun(self) -> bool:
        """Whether any fragment was sent."""
        return self._next_index > 0

    @property
    def done(self) -> bool:
        """Whether every fragment is acknowledged."""
        return len(self._acked) == self.count

    def next_fragment(self, policy: RepairPolicy) -> Fragment | None:
        """Return the fragment or repair piece to send next, or None."""
        if self.dropped:
            return None
        while self._lost and self._lost[0] in self._acked:
            heapq.heappop(self._lost)
        if self._lost:
            return Fragment(self._lost[0], retransmit=True)
        while self._next_index in self._acked:
            self._next_index += 1
        repair = self._next_repair(policy)
        if repair is not None or self._next_index >= self.count:
            return repair
        return Fragment(self._next_index, retransmit=False)

    def on_packet_sent(self, fragment: Fragment) -> None:
        """Advance past a fragment or repair piece that was sent."""
        if fragment.repair:
            self._repairs_sent += 1
        elif self._lost and self._lost[0] == fragment.index:
            heapq.heappop(self._lost)
        else:
            self._next_index = fragment.index + 1

    def on_packet_lost(self, index: int) -> None:
        """Schedule the retransmission of a fragment, unless it is acknowledged."""
        if index < self._next_index and index not in self._acked and index not in self._lost:
            heapq.heappush(self._lost, index)

    def on_acked(self, indices: Iterable[int]) -> None:
        """Mark fragments as held by the receiver."""
        self._acked.update(index for index in indices if index < self.count)

    def on_all_acked(self) -> None:
        """Mark every fragment as held by the receiver."""
        if not self.done:
            self._acked.update(range(self.count))

    def retransmit(self, indices: Iterable[int] | None) -> None:
        """Send fragments again, or with None all, even if they were acknowledged."""
        requested = range(self.count) if indices is None else [one for one in indices if one < self.count]
        self.dropped = False
        self._acked.difference_update(requested)
        for index in requested:
            self.on_packet_lost(index)

    def reset(self) -> None:
        """Start over: no fragment is known to have arrived."""
        self._next_index = self._group = self._repairs_sent = 0
        self._granted = None
        self._lost.clear()
        self._acked.clear()

    def group_of(self, index: int) -> tuple[int, range]:
        """Return the number and the fragments of the group that a fragment belongs to."""
        return next((number, group) for number, group in enumerate(self._groups) if index in group)

    def _next_repair(self, policy: RepairPolicy) -> Fragment | None:
        """Return the next repair piece of a group whose fragments were all sent, or None."""
        while self._group < len(self._groups) and self._groups[self._group].stop <= self._next_index:
            group = self._groups[self._group]
            if self._granted is None:
                self._granted = 0 if self._acked.issuperset(group) else policy(len(group))
            if self._repairs_sent < self._granted:
                return Fragment(group[-1], retransmit=False, repair=self._repairs_sent + 1)
            self._group += 1
            self._granted, self._repairs_sent = None, 0
        return None
