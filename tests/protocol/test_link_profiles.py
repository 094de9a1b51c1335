"""Links by name."""

import random

import pytest

from layercast_common.errors import UsageError
from protocol.link_profiles import LINKS, LinkProfile, parse_link
from protocol.transports.emulation.link_clock import LinkClock


def test_names() -> None:
    assert set(LINKS) == {"gsm", "lora-sf7", "lora-sf9", "iridium", "nb-iot", "acoustic", "lte-m", "fast"}
    assert all(name == link.name for name, link in LINKS.items())


def test_parsing() -> None:
    assert parse_link(None) is None
    assert parse_link("iridium") == LINKS["iridium"]
    custom = parse_link(None, 1200)
    assert custom == LinkProfile(name="custom", rate=1200)
    slower = parse_link("iridium", 1200)
    assert slower is not None
    assert (slower.rate, slower.delay, slower.name) == (1200, 0.9, "iridium")


@pytest.mark.parametrize(
    ("link", "rate", "why"),
    [
        ("irridium", None, "no link is called 'irridium'; there are acoustic, fast, gsm"),
        ("gsm", 0, "a positive number of bit/s, not 0"),
        (None, -1, "a positive number"),
        (None, float("nan"), "a positive number"),
        (None, float("inf"), "a number of bit/s, not inf"),
    ],
)
def test_nonsense(link: str | None, rate: float | None, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_link(link, rate)


@pytest.mark.parametrize("field", [{"rate": -1}, {"delay": -1}, {"delay": float("nan")}, {"mtu": 10}, {"loss": 1}])
def test_impossible_links(field: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        LinkProfile(**{"name": "x", "rate": 1.0} | field)  # type: ignore[arg-type]


def test_packets_follow_each_other() -> None:
    clock = LinkClock(LinkProfile(name="x", rate=800, delay=2.0), rng=random.Random(0))
    assert [clock.arrivals(100, 0.0), clock.arrivals(50, 0.0), clock.arrivals(100, 9.0)] == [[3.0], [3.5], [12.0]]


def test_chance() -> None:
    clock = LinkClock(LinkProfile(name="x", rate=0, loss=0.25), rng=random.Random(0), duplicate=0.5, jitter=1.0)
    arrivals = [clock.arrivals(10, 0.0) for _ in range(4000)]
    assert sum(not times for times in arrivals) == pytest.approx(1000, rel=0.1)
    assert sum(len(times) == 2 for times in arrivals) == pytest.approx(1500, rel=0.1)
    assert all(0 <= time < 1 for times in arrivals for time in times)
