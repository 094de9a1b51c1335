"""Links by name: how fast, how far, how much per packet.

The figures are public ones for a typical setting of each link, good for emulation and as a first guess of the rate; a
real link of the same name may differ by a lot.
"""

from dataclasses import dataclass, replace

from layercast_common.errors import UsageError
from protocol.wire.limits import MAX_PACKET, MIN_PACKET


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """What a link is like, the same in both directions.

    Attributes:
        name: how it is called.
        rate: in bit/s; 0 for no limit.
        delay: one way, in seconds, apart from the time that the packet itself takes.
        mtu: the largest packet, in bytes.
        loss: the share of packets that never arrive, 0 to 1.
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


#: The links that have a name.
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
        # Uplink of category NB1; latencies begin at 1.6 s.
        LinkProfile(name="nb-iot", rate=62_000, delay=0.8),
        # WHOI Micro-Modem at rate 6, six 32-byte frames per packet, over 1 km of water.
        LinkProfile(name="acoustic", rate=490, delay=0.67, mtu=192),
        # Category M1 at a cell's edge.
        LinkProfile(name="lte-m", rate=300_000, delay=0.06),
        LinkProfile(name="fast", rate=0),
    )
}


def parse_link(link: str | None, rate: float | None = None) -> LinkProfile | None:
    """The link that `--link NAME` and `--rate BPS` describe; None if neither was given.

    Args:
        link: a name of `LINKS`.
        rate: in bit/s; replaces the named link's.

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
