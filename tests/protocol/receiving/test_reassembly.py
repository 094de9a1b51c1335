"""Fragments to sections, against disorder and malice."""

import random
import zlib

import pytest

from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, ReceiverEvent, SectionReceived
from protocol.receiving.reassembly import Reassembly
from protocol.wire.codes import Code
from protocol.wire.fields import SectionEntry
from protocol.wire.limits import Limits
from protocol.wire.packets import Data, Offer

TEXT, LINES = b"a red cat", bytes(range(100))


def reassembly(**limits: int) -> Reassembly:
    """One with limits of its own."""
    return Reassembly(session="s", rate=2400, limits=Limits(**limits))


def entry(payload: bytes, check: int | None = None, length: int | None = None, urgency: int = 2) -> SectionEntry:
    """A row of the table."""
    return SectionEntry.of(
        layer=1,
        coder=1,
        urgency=urgency,
        incremental=False,
        length=len(payload) if length is None else length,
        check=zlib.crc32(payload) & 0xFFFF if check is None else check,
    )


def offer(
    image: int = 1,
    payloads: tuple[bytes, ...] = (TEXT, LINES),
    inline: bytes | None = None,
    entries: tuple[SectionEntry, ...] | None = None,
    pn: int = 1,
    head: bytes = b"",
) -> Offer:
    """An OFFER of payloads in fragments of 16 bytes, the first one inside unless told otherwise."""
    return Offer(
        pn=pn,
        image=image,
        head=head,
        fragment_size=16,
        sections=entries or tuple(entry(payload) for payload in payloads),
        inline=payloads[0] if inline is None else inline,
        jpeg_size=5,
    )


def data(fragment: int, image: int = 1, section: int = 1, payload: bytes | None = None) -> Data:
    """A fragment of LINES."""
    start = 16 * fragment
    return Data(
        pn=1, image=image, section=section, fragment=fragment, payload=payload or LINES[start : start + 16] or b"?"
    )


def kinds(events: list[ReceiverEvent] | None) -> list[type]:
    """The events' types."""
    assert events is not None
    return [type(event) for event in events]


def test_a_picture() -> None:
    made = reassembly()
    first = made.on_offer(offer(), 90, 0.0)
    assert kinds(first) == [OfferReceived, SectionReceived]
    assert isinstance(first[0], OfferReceived)
    assert (first[0].rate, first[0].jpeg_size, first[0].received) == (2400, 5, 90)
    assert [info.size for info in first[0].sections] == [9, 100]
    for fragment in range(6):
        assert made.on_data(data(fragment), 28) == []
    assert made.done_mask(1) == 0b01
    last = made.on_data(data(6), 16)
    assert last == [
        SectionReceived(session="s", picture_id=1, index=1, layer=1, coder=1, payload=LINES, received=90 + 6 * 28 + 16),
        PictureDone(session="s", picture_id=1, received=90 + 6 * 28 + 16),
    ]
    assert (made.done_mask(1), made.held) == (0b11, 0)


@pytest.mark.parametrize("seed", range(20))
def test_any_order_any_repetition(seed: int) -> None:
    rng = random.Random(seed)
    made = reassembly()
    packets: list[Offer | Data] = [offer(), *(data(fragment) for fragment in range(7))]
    packets += rng.choices(packets, k=12)
    rng.shuffle(packets)
    events: list[ReceiverEvent] = []
    for packet in packets:
        told = made.on_offer(packet, 50, 0.0) if isinstance(packet, Offer) else made.on_data(packet, 20)
        assert told is not None
        events += told
    assert kinds(events) == [OfferReceived, SectionReceived, SectionReceived, PictureDone]
    assert [event.payload for event in events if isinstance(event, SectionReceived)] == [TEXT, LINES]


def test_everything_inside_the_offer() -> None:
    events = reassembly().on_offer(offer(payloads=(TEXT, b""), inline=TEXT), 50, 0.0)
    assert kinds(events) == [OfferReceived, SectionReceived, SectionReceived, PictureDone]


BAD_DATA = {
    "a section that is not there": data(0, section=2),
    "a fragment that is not there": data(7, payload=b"x"),
    "a fragment far outside": data(2000, payload=b"x"),
    "a short fragment": data(0, payload=LINES[:15]),
    "a long fragment": data(0, payload=LINES[:17]),
    "other bytes than before": data(1, payload=bytes(16)),
    "other bytes than the offer's": data(0, section=0, payload=b"a red dog"),
}


@pytest.mark.parametrize("packet", BAD_DATA.values(), ids=BAD_DATA.keys())
def test_contradictions_poison(packet: Data) -> None:
    made = reassembly()
    made.on_offer(offer(), 50, 0.0)
    made.on_data(data(1), 20)
    events = made.on_data(packet, 20)
    assert events is not None
    (event,) = events
    assert isinstance(event, PictureAborted)
    assert (event.code, event.received) == (Code.BAD_OBJECT, 90)
    assert made.failure_of(1) is Code.BAD_OBJECT
    assert made.on_data(data(2), 20) == []
    assert made.on_offer(offer(), 50, 0.0) == []
    assert made.held == 0


BAD_OFFERS = {
    "inside more than all sections": offer(inline=TEXT + LINES + b"x"),
    "inside less than a section": offer(inline=b"a red ca"),
    "inside a section and a half": offer(inline=TEXT + LINES[:50]),
    "an empty section with a check": offer(
        payloads=(b"", LINES), inline=b"", entries=(entry(LINES), entry(b"", check=1))
    ),
    "more fragments than there may be": offer(entries=(entry(TEXT), entry(b"", length=16 * 2048 + 1))),
}


@pytest.mark.parametrize("packet", BAD_OFFERS.values(), ids=BAD_OFFERS.keys())
def test_offers_that_contradict_themselves(packet: Offer) -> None:
    made = reassembly()
    assert kinds(made.on_offer(packet, 50, 0.0))[-1] is PictureAborted
    assert made.failure_of(1) is Code.BAD_OBJECT
    assert made.held == 0


def test_two_different_offers_poison() -> None:
    made = reassembly()
    made.on_offer(offer(), 50, 0.0)
    assert made.on_offer(offer(pn=9), 50, 0.0) == []
    assert kinds(made.on_offer(offer(head=b"other"), 50, 0.0)) == [PictureAborted]


def test_a_wrong_check_poisons() -> None:
    made = reassembly()
    made.on_offer(offer(entries=(entry(TEXT), entry(LINES, check=1))), 50, 0.0)
    for fragment in range(6):
        assert made.on_data(data(fragment), 20) == []
    assert kinds(made.on_data(data(6), 20)) == [PictureAborted]


def test_data_before_its_offer_waits_within_bounds() -> None:
    made = reassembly(early_packets=3)
    assert [made.on_data(data(fragment), 20) for fragment in range(5)] == [[], [], [], None, None]
    assert made.held == 48
    events = made.on_offer(offer(), 50, 0.0)
    assert isinstance(events[0], OfferReceived)
    assert events[0].received == 50 + 3 * 20
    assert made.on_data(data(3), 20) == []


def test_the_oldest_open_picture_gives_way() -> None:
    made = reassembly(open_pictures=2)
    for image in (1, 2):
        made.on_offer(offer(image), 50, 0.0)
    events = made.on_offer(offer(3), 50, 0.0)
    assert kinds(events) == [PictureAborted, OfferReceived, SectionReceived]
    assert isinstance(events[0], PictureAborted)
    assert (events[0].picture_id, events[0].code) == (1, Code.EVICTED)
    assert made.failure_of(1) is Code.EVICTED


def test_memory_is_bounded_by_what_is_announced() -> None:
    made = reassembly(peer_bytes=250)
    made.on_offer(offer(1), 50, 0.0)
    made.on_offer(offer(2), 50, 0.0)
    assert made.held == 218
    assert kinds(made.on_offer(offer(3), 50, 0.0))[0] is PictureAborted
    assert made.held == 218
    assert made.on_offer(offer(4, payloads=(TEXT, bytes(250))), 50, 0.0) == []
    assert made.failure_of(4) is Code.TOO_LARGE
    assert made.held == 218


def test_a_hundred_thousand_pictures_from_one_peer() -> None:
    made = reassembly()
    packet = offer()
    for image in range(1, 20_001):
        made.on_offer(Offer(1, image, b"", 16, packet.sections), 50, image / 4)
    assert made.held <= Limits().peer_bytes
    assert len(made._open) == Limits().open_pictures
    assert len(made._finished) == Limits().remembered


def test_cancelling() -> None:
    made = reassembly()
    made.on_offer(offer(), 50, 0.0)
    assert kinds(made.on_cancel(1)) == [PictureAborted]
    assert made.on_cancel(1) == []
    assert made.on_cancel(2) == []
    assert made.on_offer(offer(2), 50, 0.0) == []
    assert made.on_data(data(0, image=2), 20) == []


def test_the_end_of_the_connection_fails_what_is_open() -> None:
    made = reassembly()
    made.on_offer(offer(1), 50, 0.0)
    made.on_offer(offer(2), 50, 0.0)
    events = made.cancel_all(Code.DISCONNECTED)
    assert [event.picture_id for event in events] == [1, 2]
    assert all(isinstance(event, PictureAborted) and event.reason for event in events)
