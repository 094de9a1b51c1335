"""Sources of a fuzzer's choices: a random generator, or bytes from another fuzzer."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Choices(ABC):
    """A source of choices."""

    @abstractmethod
    def below(self, bound: int) -> int:
        """Return a number from 0 to `bound` - 1; `bound` is at least 1."""

    @abstractmethod
    def data(self, size: int) -> bytes:
        """Return `size` bytes."""

    def one_in(self, count: int) -> bool:
        """Return True with probability 1 / `count`."""
        return self.below(count) == 0

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[self.below(len(items))]


class RandomChoices(Choices):
    """Choices of a seeded random generator."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def below(self, bound: int) -> int:
        """See `Choices.below`."""
        return int(self._rng.random() * bound)

    def data(self, size: int) -> bytes:
        """See `Choices.data`."""
        return self._rng.randbytes(size)


class ScriptedChoices(Choices):
    """Choices read from bytes, for coverage-guided fuzzers; zeros after the last byte."""

    def __init__(self, script: bytes) -> None:
        self._script = script
        self._place = 0

    def below(self, bound: int) -> int:
        """See `Choices.below`."""
        return int.from_bytes(self.data((bound - 1).bit_length() + 7 >> 3)) % bound

    def data(self, size: int) -> bytes:
        """See `Choices.data`."""
        read = self._script[self._place : self._place + size]
        self._place += size
        return read.ljust(size, b"\0")
