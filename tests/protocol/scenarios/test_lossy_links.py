"""Whatever the link does, every section arrives exactly once, unharmed; and bytes, memory and time stay bounded."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.connection.events import OfferReceived, PictureAborted, PictureAcknowledged, PictureDone, SectionReceived
from protocol.link_profiles import LINKS, LinkProfile
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.wire.limits import Limits
from tests.support.connection_pair import Pair, section

TEXT = section(b"an old red lighthouse at the sea", urgency=0, layer=0)
PICTURE = (TEXT, section(bytes(range(250)), urgency=2, layer=1), section(bytes(range(90)), urgency=3, layer=2))

links = st.builds(
    LinkProfile,
    name=st.just("any"),
    rate=st.sampled_from([0.0, 490.0, 2400.0, 62_000.0]),
    delay=st.sampled_from([0.0, 0.05, 0.9]),
    mtu=st.sampled_from([115, 222, 1400]),
    loss=st.sampled_from([0.0, 0.1, 0.3, 0.5]),
)
#: Under a loss of half of all packets two minutes of silence are bound to come.
PATIENT = Limits(silence_seconds=1e6, hello_seconds=1e6)

pictures = st.lists(
    st.lists(
        st.builds(
            section,
            st.binary(max_size=700),
            urgency=st.integers(0, 7),
            layer=st.integers(0, 3),
            incremental=st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(
    link=links,
    pictures=pictures,
    seed=st.integers(0, 2**32),
    duplicate=st.sampled_from([0.0, 0.2]),
    jitter=st.sampled_from([0.0, 0.3, 2.0]),
)
def test_every_section_exactly_once(
    link: LinkProfile, pictures: list[list[OutgoingSection]], seed: int, duplicate: float, jitter: float
) -> None:
    pair = Pair(link, seed=seed, duplicate=duplicate, jitter=jitter, reliable=False, limits=PATIENT)
    pair.greet()
    numbers = [pair.offer(*sections) for sections in pictures]
    pair.run(1e5, done=lambda: len(pair.events(PictureAcknowledged)) == len(pictures))
    for number, sections in zip(numbers, pictures, strict=True):
        told = [event for _, event in pair.receiving.events if getattr(event, "picture_id", None) == number]
        assert isinstance(told[0], OfferReceived)
        assert isinstance(told[-1], PictureDone)
        arrived = {event.index: event.payload for event in told if isinstance(event, SectionReceived)}
        assert arrived == {index: one.payload for index, one in enumerate(sections)}
        assert len(told) == len(sections) + 2
    assert pair.events(PictureAborted) == []
    assert pair.receiver.held <= Limits().peer_bytes
    assert all(len(packet) <= link.mtu for _, packet in pair.sending.sent + pair.receiving.sent)


def test_two_runs_are_the_same() -> None:
    link = replace(LINKS["lora-sf9"], loss=0.2)
    runs = []
    for _ in range(2):
        pair = Pair(link, seed=7, jitter=0.1)
        pair.greet()
        pair.offer(*PICTURE)
        pair.run(1e4, done=lambda pair=pair: bool(pair.events(PictureAcknowledged)))  # type: ignore[misc]
        runs.append(pair.sending.sent)
    assert runs[0] == runs[1]


def test_the_window_bounds_what_is_in_flight() -> None:
    pair = Pair(LINKS["iridium"])
    pair.greet()
    pair.offer(section(bytes(6000), urgency=6))
    most = 0

    def watch() -> bool:
        nonlocal most
        most = max(most, pair.sender.statistics.bytes_in_flight)
        assert pair.sender.statistics.bytes_in_flight <= pair.sender.statistics.window
        return bool(pair.events(PictureAcknowledged))

    began = pair.now
    pair.run(done=watch)
    # What fills the link, and what may have arrived before the next ACK tells of it.
    assert 600 < most < 1100
    # The window is wide enough to keep the link busy: 6,000 bytes and their framing at 300 bytes a second.
    assert pair.now - began < 1.08 * 6000 * 64 / 51 / 300 + 2.5


@pytest.mark.parametrize("told", [0.0, 9600.0])
def test_a_wrong_or_missing_rate_is_found_out(told: float) -> None:
    """The rate that the sender was told is four times the link's, or none: the queue in the link still stays short."""
    link = LinkProfile(name="slow", rate=2400, delay=0.3)
    pair = Pair(link, rate=told)
    pair.greet()
    pair.offer(section(bytes(20_000), urgency=6))
    pair.run(pair.now + 40.0)
    assert pair.sender.statistics.rate == pytest.approx(2400, rel=0.2)
    pair.offer(*PICTURE)
    began = pair.now
    pair.run(done=lambda: len(pair.events(OfferReceived)) == 2)
    # A fragment keeps the size that it was cut to when its picture began; in the way are a few of these.
    in_the_way = pair.sender.statistics.window + 2 * max(len(packet) for _, packet in pair.sending.sent)
    assert pair.now - began < in_the_way / 300 + 0.3 + 0.5


@pytest.mark.parametrize("name", sorted(set(LINKS) - {"fast"}))
def test_a_picture_over_every_link(name: str) -> None:
    pair = Pair(LINKS[name])
    pair.greet()
    began = pair.now
    pair.offer(*PICTURE)
    pair.run(done=lambda: bool(pair.events(PictureAcknowledged)))
    link = LINKS[name]
    bits = 8 * sum(len(packet) for _, packet in pair.sending.sent)
    assert pair.now - began < bits / link.rate + 2 * link.delay + 1.0
    assert pair.when(OfferReceived, 1) - began < 8 * 125 / link.rate + link.delay + 0.1
