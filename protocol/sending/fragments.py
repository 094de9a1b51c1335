"""The fragments of one section on their way: sent in order, again when lost, with repair where nobody can ask."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from protocol.recovery.fec_policy import groups

#: How many repair packets a group of so many fragments deserves at this moment.
Plan = Callable[[int], int]


def no_repair(fragments: int) -> int:
    """The plan of a link that loses nothing."""
    del fragments
    return 0


@dataclass(frozen=True, slots=True)
class Fragment:
    """What of a section goes next.

    Attributes:
        fragment: the fragment; of a repair piece, the last of its group.
        again: whether it was sent before.
        repair: 0 for the fragment itself, else the repair piece's place in its group, from 1.
    """

    fragment: int
    again: bool
    repair: int = 0


class FragmentTracker:
    """One section's fragments.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.dropped = False
        self._fresh = 0
        self._lost: list[int] = []
        self._acknowledged: set[int] = set()
        self._groups = groups(count)
        # The first group that may still deserve repair, how much it was granted, and how much of that has left.
        self._group = 0
        self._granted: int | None = None
        self._repaired = 0

    @property
    def begun(self) -> bool:
        """Whether any of it has left."""
        return self._fresh > 0

    @property
    def done(self) -> bool:
        """Whether the receiver holds all of it."""
        return len(self._acknowledged) == self.count

    def next(self, plan: Plan) -> Fragment | None:
        """What goes next, if anything does."""
        if self.dropped:
            return None
        while self._lost and self._lost[0] in self._acknowledged:
            heapq.heappop(self._lost)
        if self._lost:
            return Fragment(self._lost[0], again=True)
        while self._fresh in self._acknowledged:
            self._fresh += 1
        repair = self._next_repair(plan)
        if repair is not None or self._fresh >= self.count:
            return repair
        return Fragment(self._fresh, again=False)

    def sent(self, piece: Fragment) -> None:
        """Note that a piece left."""
        if piece.repair:
            self._repaired += 1
        elif self._lost and self._lost[0] == piece.fragment:
            heapq.heappop(self._lost)
        else:
            self._fresh = piece.fragment + 1

    def lost(self, fragment: int) -> None:
        """Note that a fragment did not arrive, unless it has arrived otherwise."""
        if fragment < self._fresh and fragment not in self._acknowledged and fragment not in self._lost:
            heapq.heappush(self._lost, fragment)

    def arrived(self, fragments: Iterable[int]) -> None:
        """Note that the receiver holds fragments."""
        self._acknowledged.update(fragment for fragment in fragments if fragment < self.count)

    def finish(self) -> None:
        """Note that the receiver holds all of it."""
        if not self.done:
            self._acknowledged.update(range(self.count))

    def want(self, fragments: Iterable[int] | None) -> None:
        """Note that the receiver asks for fragments, or with None for all, whatever it acknowledged before."""
        asked = range(self.count) if fragments is None else [one for one in fragments if one < self.count]
        self.dropped = False
        self._acknowledged.difference_update(asked)
        for fragment in asked:
            self.lost(fragment)

    def restart(self) -> None:
        """Note that nothing of it is known to have arrived."""
        self._fresh = self._group = self._repaired = 0
        self._granted = None
        self._lost.clear()
        self._acknowledged.clear()

    def group_of(self, fragment: int) -> tuple[int, range]:
        """The group that a fragment belongs to, and its number."""
        return next((number, group) for number, group in enumerate(self._groups) if fragment in group)

    def _next_repair(self, plan: Plan) -> Fragment | None:
        """The next repair piece of a group that has left."""
        while self._group < len(self._groups) and self._groups[self._group].stop <= self._fresh:
            group = self._groups[self._group]
            if self._granted is None:
                self._granted = 0 if self._acknowledged.issuperset(group) else plan(len(group))
            if self._repaired < self._granted:
                return Fragment(group[-1], again=False, repair=self._repaired + 1)
            self._group += 1
            self._granted, self._repaired = None, 0
        return None
