"""Loss models of `tc netem`: random, Gilbert-Elliott, and Salsano's four states; each with its closed form.

The processes are those of the kernel's net/sched/sch_netem.c. One difference: netem drops a packet before it is
serialised; here a lost packet has used the link, as on radio.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from layercast_common.errors import UsageError


def check_share(what: str, value: float, *, below: bool = False) -> None:
    """Check that a value is a share from 0 to 1, or from 0 to below 1.

    Raises:
        UsageError: it is not.
    """
    if not (0 <= value < 1 or (value == 1 and not below)):
        raise UsageError(f"{what} is a share from 0 to {'below ' if below else ''}1, not {value}")


class LossModel(Protocol):
    """Decides which packets are lost."""

    @property
    def mean(self) -> float:
        """The share of packets lost in the long run."""
        ...

    @property
    def mean_burst(self) -> float:
        """The mean number of packets lost in a row; 0 if none is lost."""
        ...

    def sampler(self, rng: random.Random) -> Callable[[], bool]:
        """Return a function that decides packet by packet: true if the packet is lost."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomLoss:
    """Independent losses: netem's `loss random`.

    Attributes:
        share: the share of packets lost, 0 to 1.
    """

    share: float = 0.0

    def __post_init__(self) -> None:
        check_share("loss", self.share)

    @property
    def mean(self) -> float:
        """See `LossModel`."""
        return self.share

    @property
    def mean_burst(self) -> float:
        """See `LossModel`."""
        if not self.share:
            return 0.0
        return 1 / (1 - self.share) if self.share < 1 else float("inf")

    def sampler(self, rng: random.Random) -> Callable[[], bool]:
        """See `LossModel`."""
        share = self.share
        return lambda: rng.random() < share


@dataclass(frozen=True, slots=True, kw_only=True)
class GilbertElliott:
    """Losses in bursts: netem's `loss gemodel p r 1-h 1-k`.

    Attributes:
        p: the probability to change from the good to the bad state, per packet.
        r: the probability to change back.
        bad_loss: the share lost in the bad state, netem's 1-h.
        good_loss: the share lost in the good state, netem's 1-k.
    """

    p: float
    r: float
    bad_loss: float = 1.0
    good_loss: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check_share(f"gemodel {field.name}", getattr(self, field.name))
        if self.p + self.r == 0:
            raise UsageError("gemodel p and r are both 0; the model would never leave its first state")

    @property
    def mean(self) -> float:
        """See `LossModel`."""
        bad = self.p / (self.p + self.r)
        return bad * self.bad_loss + (1 - bad) * self.good_loss

    @property
    def mean_burst(self) -> float:
        """See `LossModel`. Computed from the chain of (state, lost)."""
        # P(a loss follows a loss) = P(both lost) / P(lost); a burst's length is geometric only in its mean.
        if not self.mean:
            return 0.0
        bad = self.p / (self.p + self.r)
        good_next = (1 - self.p) * self.good_loss + self.p * self.bad_loss
        bad_next = self.r * self.good_loss + (1 - self.r) * self.bad_loss
        both = (1 - bad) * self.good_loss * good_next + bad * self.bad_loss * bad_next
        return self.mean / (self.mean - both) if both < self.mean else float("inf")

    def sampler(self, rng: random.Random) -> Callable[[], bool]:
        """See `LossModel`."""

        def losses() -> Iterator[bool]:
            bad = rng.random() < self.p / (self.p + self.r)
            while True:
                share = self.bad_loss if bad else self.good_loss
                bad = rng.random() >= self.r if bad else rng.random() < self.p
                yield rng.random() < share

        return losses().__next__


@dataclass(frozen=True, slots=True, kw_only=True)
class FourState:
    """Netem's `loss state p13 p31 p32 p23 p14`: good reception, reception in bursts, losses in bursts, single losses.

    S. Salsano, F. Ludovici, A. Ordine, D. Giannuzzi, "Definition of a general and intuitive loss model for packet
    networks and its implementation in the Netem module in the Linux kernel", University of Rome, 2012.

    Attributes:
        p13, p31, p32, p23, p14: probabilities to change between the states, per packet.
    """

    p13: float
    p31: float
    p32: float = 0.0
    p23: float = 1.0
    p14: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            check_share(f"state {field.name}", getattr(self, field.name))
        for what, total in (("p13 + p14", self.p13 + self.p14), ("p31 + p32", self.p31 + self.p32)):
            if total > 1:
                raise UsageError(f"state {what} is at most 1, not {total:g}")

    @property
    def transitions(self) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        """The (4, 4) matrix of the probabilities to change from state (row) to state (column)."""
        return np.array(
            [
                [1 - self.p13 - self.p14, 0, self.p13, self.p14],
                [0, 1 - self.p23, self.p23, 0],
                [self.p31, self.p32, 1 - self.p31 - self.p32, 0],
                [1, 0, 0, 0],
            ]
        )

    @property
    def _stationary(self) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        matrix = np.vstack([self.transitions.T - np.eye(4), np.ones(4)])
        return np.asarray(np.linalg.lstsq(matrix, np.array([0, 0, 0, 0, 1.0]), rcond=None)[0])

    @property
    def mean(self) -> float:
        """See `LossModel`."""
        return float(self._stationary[2:].sum())

    @property
    def mean_burst(self) -> float:
        """See `LossModel`."""
        shares, matrix = self._stationary, self.transitions
        starts = float(shares[:2] @ matrix[:2, 2:].sum(axis=1))
        if starts <= 0:
            return 0.0 if self.mean == 0 else float("inf")
        return self.mean / starts

    def sampler(self, rng: random.Random) -> Callable[[], bool]:
        """See `LossModel`."""
        rows = self.transitions.tolist()

        def losses() -> Iterator[bool]:
            state = 0
            while True:
                state = rng.choices(range(4), rows[state])[0]
                yield state >= 2

        return losses().__next__
