"""The description of a simulated link: two directions in netem's vocabulary, packet sizes, and costs."""

import math
from dataclasses import dataclass, field, fields

from evaluation.simulation.links.jitter import DISTRIBUTIONS
from evaluation.simulation.links.loss import LossModel, RandomLoss, check_share
from evaluation.simulation.links.service import OPPORTUNITY_BYTES, Opportunities, RateTrace, Slots, Windows
from layercast_common.errors import UsageError
from protocol.link_profiles import LinkProfile
from protocol.wire.limits import MAX_PACKET, MIN_MTU


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDirection:
    """One direction of a link.

    Attributes:
        rate: the rate, in bit/s; 0 for no limit.
        delay: the delay without the transmission time, in seconds.
        jitter: half the width of a uniform distribution, or the standard deviation of another, in seconds.
        jitter_correlation: from one packet to the next, 0 to below 1.
        distribution: of the jitter: uniform, normal or pareto.
        loss: which packets are lost. They use the link.
        duplicate: the share of packets that arrive twice.
        reorder: the share of packets that skip the delay.
        corrupt: the share of packets that arrive with one bit flipped.
        limit: how many packets may wait; more are dropped. 0 for any number.
        limit_bytes: the same in bytes.
        overhead: bytes of framing that the link adds to every packet.
        burst: bytes that may leave at once after a pause, as from the token bucket of `tc tbf`; 0 for none. A bucket
            with room for every packet is meant: at least as many bytes as the largest packet and its framing.
        trace: the rate over time; replaces `rate`, and where it says so delay and loss.
        opportunities: Mahimahi's trace; replaces `rate`.
        windows: when the link serves; always if None. Packets wait outside.
        outages: further times without service: (start, end) in seconds.
        slots: when collected packets leave; at once if None.
        duty_cycle: the most share of the time in which the link sends, 0 to 1: silence follows every packet.
        ordered: whether packets keep their order.
    """

    rate: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    jitter_correlation: float = 0.0
    distribution: str = "uniform"
    loss: LossModel = field(default_factory=RandomLoss)
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    limit: int = 0
    limit_bytes: int = 0
    overhead: int = 0
    burst: int = 0
    trace: RateTrace | None = None
    opportunities: Opportunities | None = None
    windows: Windows | None = None
    outages: tuple[tuple[float, float], ...] = ()
    slots: Slots | None = None
    duty_cycle: float = 1.0
    ordered: bool = False

    def __post_init__(self) -> None:
        for name in ("rate", "delay", "jitter", "limit", "limit_bytes", "overhead", "burst"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"a link's {name} is 0 or more, not {getattr(self, name)}")
        for name in ("duplicate", "reorder", "corrupt"):
            check_share(f"a link's {name}", getattr(self, name))
        check_share("a link's jitter_correlation", self.jitter_correlation, below=True)
        if self.distribution not in DISTRIBUTIONS:
            raise UsageError(f"no distribution is called '{self.distribution}'; there are {', '.join(DISTRIBUTIONS)}")
        if not 0 < self.duty_cycle <= 1:
            raise UsageError(f"a link's duty_cycle is a share above 0, at most 1, not {self.duty_cycle}")
        if any(not 0 <= start < end < math.inf for start, end in self.outages):
            raise UsageError("an outage is [start, end] in seconds, with 0 <= start < end")
        if self.trace is not None and self.opportunities is not None:
            raise UsageError("a link has one trace")

    def is_open(self, now: float) -> tuple[bool, float]:
        """Return whether windows and outages permit service, and when that may change."""
        is_open, change = (True, math.inf) if self.windows is None else self.windows.state_at(now)
        for start, end in self.outages:
            if start <= now < end:
                is_open, change = False, min(change, end) if is_open else max(change, end)
            elif now < start:
                change = min(change, start)
        return is_open, change


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCost:
    """What a link costs.

    Attributes:
        dollars_per_kb: price of 1,000 bytes sent, headers included; 0 if unknown or free.
        transmit_watts: power of the modem while it transmits; 0 if unknown.
        message_bytes: bytes are charged in steps of so many per packet; 1 for exact bytes.
    """

    dollars_per_kb: float = 0.0
    transmit_watts: float = 0.0
    message_bytes: int = 1

    def __post_init__(self) -> None:
        for item in fields(self):
            if not 0 <= getattr(self, item.name) < math.inf:
                raise UsageError(f"a link's cost {item.name} is 0 or more, not {getattr(self, item.name)}")
        if self.message_bytes < 1:
            raise UsageError("a link's cost message_bytes is 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedLink:
    """A link between senders and a receiver.

    Attributes:
        name: its name in the scenario and in reports.
        there: from the senders to the receiver.
        back: from the receiver to the senders.
        mtu: the largest packet, in bytes.
        cost: prices and power of sending.
    """

    name: str
    there: LinkDirection
    back: LinkDirection
    mtu: int = MAX_PACKET
    cost: LinkCost = field(default_factory=LinkCost)

    def __post_init__(self) -> None:
        if not MIN_MTU <= self.mtu <= MAX_PACKET:
            raise UsageError(f"a link's packets hold {MIN_MTU} to {MAX_PACKET} bytes, not {self.mtu}")

    @property
    def mean_rate(self) -> float:
        """The mean rate to the receiver while the link serves, in bit/s; 0 for no limit. A modem knows it."""
        there = self.there
        if there.opportunities is not None:
            return 8 * OPPORTUNITY_BYTES * len(there.opportunities.times) / (there.opportunities.times[-1] / 1000)
        if there.trace is not None:
            ends = [*(point.at for point in there.trace.points[1:]), there.trace.period]
            bits = sum(p.rate * (end - p.at) for p, end in zip(there.trace.points, ends, strict=True))
            return bits / there.trace.period
        rate = there.rate
        if there.slots is not None and (there.slots.size or there.slots.packets):
            size = there.slots.size or there.slots.packets * self.mtu
            per_slot = 8 * size / ((there.slots.shortest + there.slots.longest) / 2)
            rate = min(rate, per_slot) if rate else per_slot
        return rate * there.duty_cycle

    @classmethod
    def of(cls, profile: LinkProfile) -> "SimulatedLink":
        """Return the simulated form of a plain profile."""
        direction = LinkDirection(rate=profile.rate, delay=profile.delay, loss=RandomLoss(share=profile.loss))
        return cls(name=profile.name, there=direction, back=direction, mtu=min(profile.mtu, MAX_PACKET))
