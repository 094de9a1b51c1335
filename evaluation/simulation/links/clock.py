"""The passage of packets over one direction of a link. Pure: time is passed in, and randomness is seeded."""

import enum
import math
import random
from collections import deque
from dataclasses import dataclass

from evaluation.simulation.links.jitter import jitter_sampler
from evaluation.simulation.links.model import LinkDirection
from evaluation.simulation.links.service import OPPORTUNITY_BYTES

#: The longest wait for a link that does not serve, in changes of its state: a scenario error beyond it.
_MAX_CHANGES = 100_000


class Fate(enum.StrEnum):
    """What became of a packet."""

    ARRIVED = "arrived"
    LOST = "lost"
    DROPPED = "dropped"
    CORRUPTED = "corrupted"


@dataclass(frozen=True, slots=True)
class Passage:
    """The passage of one packet.

    Attributes:
        fate: what became of it. A corrupted packet arrives with one bit flipped; a dropped one found the queue full
            and did not use the link.
        start, end: when its transmission began and ended, in seconds.
        arrivals: when it arrives, in seconds: no time, one, or two.
        airtime: how long it used the link, in seconds, without waiting.
    """

    fate: Fate
    start: float
    end: float
    arrivals: tuple[float, ...]
    airtime: float


class DirectionClock:
    """Computes the passages of packets, which must be given in the order of sending.

    Args:
        direction: the direction's model. It may be replaced while packets travel: later packets follow the new one.
        rng: the random source.
    """

    def __init__(self, direction: LinkDirection, *, rng: random.Random) -> None:
        self._rng = rng
        self._free_at = 0.0
        self._last_arrival = 0.0
        # When the token bucket will be full again.
        self._full_at = 0.0
        self._opportunity, self._room = -1, 0
        self._waiting: deque[tuple[float, int]] = deque()
        self._waiting_bytes = 0
        self.direction = direction

    @property
    def direction(self) -> LinkDirection:
        """The direction's model."""
        return self._direction

    @direction.setter
    def direction(self, direction: LinkDirection) -> None:
        self._direction = direction
        self._lost = direction.loss.sampler(self._rng)
        self._jitter = None
        if direction.jitter:
            self._jitter = jitter_sampler(
                self._rng,
                jitter=direction.jitter,
                correlation=direction.jitter_correlation,
                distribution=direction.distribution,
            )
        self._release = None if direction.slots is None else direction.slots.releaser(self._rng)

    def passage(self, size: int, now: float) -> Passage:
        """Return the passage of a packet of `size` bytes that is sent now."""
        link, rng = self._direction, self._rng
        size += link.overhead
        if self._is_full(size, now):
            return Passage(Fate.DROPPED, now, now, (), 0.0)
        start, end = self._serve(size, max(now, self._free_at))
        airtime = end - start if link.opportunities is not None else self._airtime(size, start, end)
        if self._release is not None:
            end = self._release(end, size)
        self._free_at = end if link.duty_cycle == 1 else end + airtime * (1 / link.duty_cycle - 1)
        self._waiting.append((end, size))
        self._waiting_bytes += size
        delay, share = link.delay, None
        if link.trace is not None:
            point, _ = link.trace.point_at(start)
            delay, share = link.delay if point.delay is None else point.delay, point.loss
        lost = self._lost() if share is None else rng.random() < share
        if lost:
            return Passage(Fate.LOST, start, end, (), airtime)
        copies = 2 if link.duplicate and rng.random() < link.duplicate else 1
        arrivals = tuple(self._arrival(end, delay) for _ in range(copies))
        fate = Fate.CORRUPTED if link.corrupt and rng.random() < link.corrupt else Fate.ARRIVED
        return Passage(fate, start, end, arrivals, airtime)

    def _arrival(self, end: float, delay: float) -> float:
        link = self._direction
        if link.reorder and self._rng.random() < link.reorder:
            delay = 0.0
        elif self._jitter is not None:
            delay = max(0.0, delay + self._jitter())
        arrival = end + delay
        if link.ordered:
            arrival = self._last_arrival = max(arrival, self._last_arrival)
        return arrival

    def _is_full(self, size: int, now: float) -> bool:
        """Return whether the queue has no room. The packet in transmission does not wait."""
        link = self._direction
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            self._waiting_bytes -= waiting.popleft()[1]
        # The first one is in transmission.
        behind = max(0, len(waiting) - 1)
        too_many = link.limit and behind >= link.limit
        behind_bytes = self._waiting_bytes - waiting[0][1] if waiting else 0
        return bool(too_many or (link.limit_bytes and waiting and behind_bytes + size > link.limit_bytes))

    def _airtime(self, size: int, start: float, end: float) -> float:
        """Return the time on air: without the time in which the link did not serve."""
        link = self._direction
        return 8 * size / link.rate if link.trace is None and link.rate else end - start

    def _serve(self, size: int, start: float) -> tuple[float, float]:
        """Return when transmission of a packet begins and ends that may begin at `start`."""
        if self._direction.opportunities is not None:
            return self._take_opportunities(size, start)
        if self._direction.burst and self._direction.rate:
            return self._take_tokens(size, start)
        bits, now, began = 8.0 * size, start, None
        for _ in range(_MAX_CHANGES):
            rate, change = self._rate_at(now)
            if rate > 0:
                began = now if began is None else began
                end = now + bits / rate
                if end <= change:
                    return began, end
                bits -= rate * (change - now)
            now = change
        return math.inf, math.inf

    def _take_tokens(self, size: int, start: float) -> tuple[float, float]:
        """Let a packet leave as soon as the token bucket holds it."""
        second = 8 / self._direction.rate
        leaves = max(start, self._full_at - max(0, self._direction.burst - size) * second)
        self._full_at = max(self._full_at, leaves) + size * second
        return leaves, leaves

    def _rate_at(self, now: float) -> tuple[float, float]:
        """Return the rate, infinite for no limit, and when it may change."""
        link = self._direction
        is_open, change = link.is_open(now)
        rate = link.rate or math.inf
        if link.trace is not None:
            point, end = link.trace.point_at(now)
            rate, change = point.rate, min(change, end)
        return (rate if is_open else 0.0), change

    def _take_opportunities(self, size: int, now: float) -> tuple[float, float]:
        """Use up delivery opportunities. The rest of one serves the next packet only if that one waits already."""
        trace = self._direction.opportunities
        assert trace is not None
        if not self._room or trace.at(self._opportunity) < now:
            self._next_opportunity(max(self._opportunity + 1, trace.first_from(now)))
        began = trace.at(self._opportunity)
        while size > self._room:
            size -= self._room
            self._next_opportunity(self._opportunity + 1)
        self._room -= size
        return began, trace.at(self._opportunity)

    def _next_opportunity(self, number: int) -> None:
        trace = self._direction.opportunities
        assert trace is not None
        while not (state := self._direction.is_open(trace.at(number)))[0]:
            number = max(number + 1, trace.first_from(state[1]))
        # When the token bucket will be full again.
        self._full_at = 0.0
        self._opportunity, self._room = number, OPPORTUNITY_BYTES
