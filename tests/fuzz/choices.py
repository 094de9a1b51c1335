"""Where a fuzzer's choices come from: chance, or bytes that another program chose."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Dice(ABC):
    """A source of choices."""

    @abstractmethod
    def below(self, bound: int) -> int:
        """A number from 0 to below `bound`, which is at least 1."""

    @abstractmethod
    def data(self, size: int) -> bytes:
        """So many bytes."""

    def one_in(self, count: int) -> bool:
        """True once in `count` times."""
        return self.below(count) == 0

    def pick(self, items: Sequence[Item]) -> Item:
        """One of several."""
        return items[self.below(len(items))]


class Chance(Dice):
    """Choices by a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def below(self, bound: int) -> int:
        """See `Dice.below`."""
        return int(self._rng.random() * bound)

    def data(self, size: int) -> bytes:
        """See `Dice.data`."""
        return self._rng.randbytes(size)


class Script(Dice):
    """Choices read from bytes, for a fuzzer that looks for those that reach new code; zeros once they are used up."""

    def __init__(self, script: bytes) -> None:
        self._script = script
        self._place = 0

    def below(self, bound: int) -> int:
        """See `Dice.below`."""
        return int.from_bytes(self.data((bound - 1).bit_length() + 7 >> 3)) % bound

    def data(self, size: int) -> bytes:
        """See `Dice.data`."""
        read = self._script[self._place : self._place + size]
        self._place += size
        return read.ljust(size, b"\0")
