"""Named link profiles: rate, delay, packet size and loss.

The values are published ones for a typical setting of each link. They suit emulation and a first estimate of the rate;
a real link of the same kind may differ considerably.
"""

from dataclasses import dataclass, replace

from layercast_common.errors import UsageError
from protocol.wire.limits import MAX_PACKET, MIN_PACKET


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """The properties of a link, the same in both directions.

    Attributes:
        name: the profile's name.
        rate: the rate, in bit/s; 0 for no limit.
        delay: the one-way delay, in seconds, without the transmission time of the packet.
        mtu: the largest packet, in bytes.
        loss: the share of packets lost, 0 to below 1.

    Raises:
        UsageError: a value is out of range.
    """

    name: str
    rate: float
    delay: float = 0.0
    mtu: int = MAX_PACKET
    loss: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate < float("inf"):
            raise UsageError(f"a link's rate is a number of bit/s, not {self.rate}")
        if not 0 <= self.delay < float("inf"):
            raise UsageError(f"a link's delay is a number of seconds, not {self.delay}")
        if self.mtu < MIN_PACKET // 2:
            raise UsageError(f"a link's packets hold at least {MIN_PACKET // 2} bytes, not {self.mtu}")
        if not 0 <= self.loss < 1:
            raise UsageError(f"a link's loss is a share from 0 to below 1, not {self.loss}")


#: The named links.
LINKS = {
    link.name: link
    for link in (
        # LoRaWAN EU868, 125 kHz: rates of RAKwireless RUI3's appendix, payloads of LoRaWAN Regional Parameters 1.0.3.
        LinkProfile(name="lora-sf7", rate=5470, delay=0.05, mtu=222),
        LinkProfile(name="lora-sf9", rate=1760, delay=0.05, mtu=115),
        # Dial-up data over the voice channel.
        LinkProfile(name="iridium", rate=2400, delay=0.9),
        # Circuit-switched data; round trips of 0.3 to 1 s.
        LinkProfile(name="gsm", rate=9600, delay=0.3),
        # Uplink of category NB1; latencies start at 1.6 s.
        LinkProfile(name="nb-iot", rate=62_000, delay=0.8),
        # WHOI Micro-Modem at rate 6, six 32-byte frames per packet, over 1 km of water.
        LinkProfile(name="acoustic", rate=490, delay=0.67, mtu=192),
        # Category M1 at a cell's edge.
        LinkProfile(name="lte-m", rate=300_000, delay=0.06),
        LinkProfile(name="fast", rate=0),
    )
}


def parse_link(link: str | None, rate: float | None = None) -> LinkProfile | None:
    """Return the link described by `--link NAME` and `--rate BPS`; None if neither is given.

    Args:
        link: a name in `LINKS`.
        rate: a rate in bit/s that replaces the named link's.

    Raises:
        UsageError: there is no such link, or the rate is not positive.
    """
    if rate is not None and not rate > 0:
        raise UsageError(f"a rate is a positive number of bit/s, not {rate:g}")
    if link is None:
        return None if rate is None else LinkProfile(name="custom", rate=rate)
    if link not in LINKS:
        raise UsageError(f"no link is called '{link}'; there are {', '.join(sorted(LINKS))}")
    return LINKS[link] if rate is None else replace(LINKS[link], rate=rate)
