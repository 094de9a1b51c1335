"""Named simulated links: those of `protocol.LINKS`, and links with windows, slots, jitter and costs.

The values are published ones for a typical setting, or follow from such as each comment says. A real link of the same
kind may differ considerably; a scenario can override every value.
"""

from dataclasses import replace

from evaluation.simulation.links.loss import GilbertElliott, RandomLoss
from evaluation.simulation.links.model import LinkCost, LinkDirection, SimulatedLink
from evaluation.simulation.links.service import Slots, Windows
from layercast_common.errors import UsageError
from protocol.link_profiles import LINKS


def _both(name: str, direction: LinkDirection, *, mtu: int = 1400, cost: LinkCost | None = None) -> SimulatedLink:
    return SimulatedLink(name=name, there=direction, back=direction, mtu=mtu, cost=cost or LinkCost())


#: Power of a 23 dBm NB-IoT or LTE-M modem while it transmits: 220 mA at 3.6 V (u-blox SARA-N2 data sheet).
_NB_IOT_WATTS = 0.79

#: Power of a LoRa transceiver at 13 dBm: 28 mA at 3.3 V (Semtech SX1272 data sheet).
_LORA_WATTS = 0.092

_SIMULATED = (
    # 3GPP TR 36.763, NB-IoT over a transparent geostationary satellite: one-way delay of 270 ms (TR 38.821, 5.3.1.1),
    # to which NB-IoT's scheduling adds; a single-tone 15 kHz uplink without repetitions carries about 16 kbit/s.
    SimulatedLink(
        name="ntn-geo",
        there=LinkDirection(rate=16_000, delay=0.8, jitter=0.1, distribution="normal", ordered=True),
        back=LinkDirection(rate=25_000, delay=0.8, jitter=0.1, distribution="normal", ordered=True),
        cost=LinkCost(transmit_watts=_NB_IOT_WATTS),
    ),
    # A single low orbit satellite at 600 km: an orbit takes 97 minutes by Kepler's law, and a pass above 10
    # degrees of elevation at most about 8; NB-IoT's scheduling as in ntn-geo, without the long path.
    SimulatedLink(
        name="ntn-leo",
        there=LinkDirection(
            rate=16_000, delay=0.3, jitter=0.05, windows=Windows(every=5800, visible=480), ordered=True
        ),
        back=LinkDirection(rate=25_000, delay=0.3, jitter=0.05, windows=Windows(every=5800, visible=480), ordered=True),
        cost=LinkCost(transmit_watts=_NB_IOT_WATTS),
    ),
    # Iridium Short Burst Data, 9602 and 9603: 340 bytes to the satellite; a session for each message
    # takes about 5 s for a short one to 20 s for the longest (nalresearch.com, NetRef_SBD). About $1 per kB
    # (blog.wirelessmoves.com, 2023/03). 190 mA at 5 V on average during a transmission (Iridium 9602 data sheet).
    SimulatedLink(
        name="iridium-sbd",
        there=LinkDirection(rate=2400, delay=1.5, slots=Slots(shortest=5, longest=12, packets=1), ordered=True),
        back=LinkDirection(rate=2400, delay=1.5, slots=Slots(shortest=5, longest=12, packets=1), ordered=True),
        mtu=340,
        cost=LinkCost(dollars_per_kb=1.0, transmit_watts=0.95),
    ),
    # LoRaWAN EU868 DR0: 250 bit/s, payloads of 51 bytes (Regional Parameters 1.0.3), 13 bytes of MAC header and MIC,
    # 10 % duty cycle in sub-band 869.4 to 869.65 MHz (ETSI EN 300 220); most others allow 1 %.
    _both(
        "lora-sf12",
        LinkDirection(rate=250, delay=0.05, duty_cycle=0.1, overhead=13, limit=8),
        mtu=51,
        cost=LinkCost(transmit_watts=_LORA_WATTS),
    ),
    # EDGE, MCS-5 on two time slots uplink, four downlink: 22.4 kbit/s a slot (3GPP TS 43.064); round trips of 0.3 to
    # 0.6 s; fading gives losses in bursts before the link layer's own retransmission.
    SimulatedLink(
        name="2g-edge",
        there=LinkDirection(rate=44_800, delay=0.2, jitter=0.05, loss=GilbertElliott(p=0.005, r=0.3)),
        back=LinkDirection(rate=89_600, delay=0.2, jitter=0.05, loss=GilbertElliott(p=0.005, r=0.3)),
    ),
    # A narrow channel of an L band service over a geostationary satellite: one-way path of 270 ms. Rate, frames and
    # loss are an estimate, not published values.
    _both(
        "sat-l-band",
        LinkDirection(
            rate=9600, delay=0.3, slots=Slots(shortest=0.36, longest=0.36), loss=RandomLoss(share=0.01), ordered=True
        ),
    ),
)

#: Costs of the plain profiles, where published: see the comments above.
_COSTS = {
    "lora-sf7": LinkCost(transmit_watts=_LORA_WATTS),
    "lora-sf9": LinkCost(transmit_watts=_LORA_WATTS),
    "nb-iot": LinkCost(transmit_watts=_NB_IOT_WATTS),
    "lte-m": LinkCost(transmit_watts=_NB_IOT_WATTS),
}

#: All named links.
SIMULATED_LINKS: dict[str, SimulatedLink] = {
    name: replace(SimulatedLink.of(profile), cost=_COSTS.get(name, LinkCost())) for name, profile in LINKS.items()
} | {link.name: link for link in _SIMULATED}


def named_link(name: str) -> SimulatedLink:
    """Return a named link.

    Raises:
        UsageError: no link has this name.
    """
    if name not in SIMULATED_LINKS:
        raise UsageError(f"no link is called '{name}'; there are {', '.join(sorted(SIMULATED_LINKS))}")
    return SIMULATED_LINKS[name]
