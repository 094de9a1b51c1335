"""When a link serves: its rate over time, visibility windows, outages, Mahimahi's delivery opportunities, and slots."""

import bisect
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from layercast_common.errors import UsageError

#: Bytes that one opportunity of a Mahimahi trace delivers.
OPPORTUNITY_BYTES = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Periodic times of service, such as a satellite's passes.

    Attributes:
        every: the time from the start of one window to that of the next, in seconds.
        visible: the length of a window, in seconds.
        first: when a window starts, in seconds of the simulation; may be negative.
    """

    every: float
    visible: float
    first: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.visible <= self.every < math.inf or not math.isfinite(self.first):
            raise UsageError(
                f"windows are visible for more than 0 s and at most 'every' s, not {self.visible} of {self.every}"
            )

    def state_at(self, now: float) -> tuple[bool, float]:
        """Return whether a window is open, and when that changes next."""
        # Rounding may put `now` on the wrong side of a change: the next change must be later than now.
        number = math.floor((now - self.first) / self.every)
        start = self.first + number * self.every
        for change, open_before in ((start + self.visible, True), (start + self.every, False)):
            if now < change:
                return open_before, change
        return True, start + self.every + self.visible


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePoint:
    """The link from a time on.

    Attributes:
        at: the time, in seconds.
        rate: the rate, in bit/s; 0 for an outage.
        delay: the one-way delay, in seconds; None for the link's own.
        loss: the share of packets lost; None for the link's own.
    """

    at: float
    rate: float
    delay: float | None = None
    loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTrace:
    """A link over time; it repeats after its last point.

    Attributes:
        points: in order of time; the first is at 0, and at least one has a rate.
        period: when the trace starts again, in seconds.

    Raises:
        UsageError: the points are not in order, start late, or have no rate.
    """

    points: tuple[RatePoint, ...]
    period: float

    def __post_init__(self) -> None:
        times = [point.at for point in self.points]
        if not times or times[0] != 0 or any(b <= a for a, b in itertools.pairwise(times)) or self.period <= times[-1]:
            raise UsageError("a rate trace starts at 0 s, and its times increase")
        if any(not 0 <= point.rate < math.inf for point in self.points) or not any(p.rate for p in self.points):
            raise UsageError("a rate trace has rates of 0 bit/s or more, and one above 0")

    def point_at(self, now: float) -> tuple[RatePoint, float]:
        """Return the point that applies, and when the next one does."""
        rounds = math.floor(now / self.period)
        index = bisect.bisect_right(self.points, now - rounds * self.period, key=lambda point: point.at) - 1
        while True:
            following = self.points[index + 1].at if index + 1 < len(self.points) else self.period
            change = rounds * self.period + following
            if change > now:
                return self.points[max(index, 0)], change
            # Rounding put `now` just before a change that it has reached.
            index, rounds = (index + 1, rounds) if index + 1 < len(self.points) else (0, rounds + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunities:
    """Mahimahi's packet delivery trace: at each time 1,500 bytes may leave; bytes that no packet uses are lost.

    Attributes:
        times: in milliseconds, not decreasing; the trace repeats after the last, which is above 0.
    """

    times: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.times or self.times[0] < 0 or any(b < a for a, b in itertools.pairwise(self.times)):
            raise UsageError("a Mahimahi trace has one time in whole milliseconds per line, in order")
        if not self.times[-1]:
            raise UsageError("a Mahimahi trace ends later than at 0 ms")

    def at(self, number: int) -> float:
        """Return the time of an opportunity, counted from 0 over all repetitions, in seconds."""
        rounds, index = divmod(number, len(self.times))
        return (rounds * self.times[-1] + self.times[index]) / 1000

    def first_from(self, now: float) -> int:
        """Return the number of the first opportunity at `now` or later."""
        rounds = max(0, math.floor(1000 * now / self.times[-1]) - 1)
        number = rounds * len(self.times)
        while self.at(number) < now:
            number += 1
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Times at which collected packets leave together: netem's `slot min max packets n bytes n`; TDMA, messages.

    Attributes:
        shortest, longest: the least and most time from one slot to the next, in seconds.
        packets, size: how many packets and bytes a slot takes; 0 for any number.
    """

    shortest: float
    longest: float
    packets: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest < math.inf or self.packets < 0 or self.size < 0:
            raise UsageError(f"slots are 0 < min <= max seconds apart, not {self.shortest} to {self.longest}")

    def releaser(self, rng: random.Random) -> Callable[[float, int], float]:
        """Return a function that gives the time of the slot in which a packet leaves.

        Its arguments are the time when the packet is ready, in seconds, and its size in bytes; ready times must not
        decrease. A packet larger than a slot's bytes takes a slot for itself.
        """
        slot, packets, size = 0.0, 0, 0

        def release(ready: float, packet: int) -> float:
            nonlocal slot, packets, size
            full = (self.packets and packets >= self.packets) or (self.size and size and size + packet > self.size)
            while full or slot < ready:
                slot += rng.uniform(self.shortest, self.longest)
                packets, size, full = 0, 0, False
            packets, size = packets + 1, size + packet
            return slot

        return release
