"""What goes wrong on a link, and what must come of it. Time is virtual; `docs/faults.md` lists every case."""

import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.connection.events import (
    OfferReceived,
    PictureAborted,
    PictureAcknowledged,
    PictureDone,
    PictureRefused,
    SectionReceived,
)
from protocol.connection.states import State
from protocol.link_profiles import LINKS, LinkProfile
from protocol.recovery.loss_detection import MAX_PROBE_TIMEOUT
from protocol.recovery.path import PathOptions
from protocol.recovery.window import packet_size, window
from protocol.sending.connection import SenderConnection
from protocol.sending.handshake import SenderCredentials
from protocol.transports.websocket.transport import PACKET_OVERHEAD
from protocol.wire.codes import Code
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.limits import Limits
from protocol.wire.packets import Data, Err, Offer, Welcome
from tests.support.connection_pair import Pair, section

TEXT = section(b"an old red lighthouse at the sea", urgency=0, layer=0)
LINES = section(random.Random(1).randbytes(1250), urgency=2, layer=1)
COLOURS = section(random.Random(2).randbytes(490), urgency=3, layer=2)
DETAIL = section(random.Random(3).randbytes(3000), urgency=6, layer=3, incremental=True)
PICTURE = (TEXT, LINES, COLOURS, DETAIL)


def payloads(pair: Pair, image: int = 1) -> list[bytes]:
    """The sections of a picture that the receiver was told of, in the order of the stream."""
    told = [event for event in pair.events(SectionReceived) if event.picture_id == image]
    assert len({event.index for event in told}) == len(told)
    return [event.payload for event in sorted(told, key=lambda event: event.index)]


def total(pair: Pair) -> int:
    """Bytes that the sender sent."""
    return sum(len(packet) for _, packet in pair.sending.sent)


@pytest.mark.parametrize("every", range(2, 11))
def test_every_kth_packet_is_lost(every: int) -> None:
    """All sections arrive, new bytes leave in layer order, and hardly more is sent again than was lost."""
    perfect = Pair(LINKS["gsm"], reliable=False)
    pair = Pair(LINKS["gsm"], reliable=False)
    for one in (perfect, pair):
        one.greet()
        one.offer(*PICTURE)
    first = len(pair.sending.sent)
    pair._drop = lambda from_sender, place: from_sender and (place - first) % every == every - 1
    for one in (perfect, pair):
        one.run(600.0, done=lambda one=one: bool(one.events(PictureAcknowledged)))  # type: ignore[misc]
    assert payloads(pair) == [one.payload for one in PICTURE]
    packets = [decode_packet(data) for _, data in pair.sending.sent]
    pieces = [(packet.section, packet.fragment) for packet in packets if isinstance(packet, Data)]
    fresh = list(dict.fromkeys(pieces))
    assert fresh == sorted(fresh)
    assert total(pair) <= 1.15 * total(perfect) * every / (every - 1)


@pytest.mark.parametrize("link", ["gsm", "iridium", "lora-sf9"])
def test_only_the_text_is_lost(link: str) -> None:
    """As soon as its loss can be known it is repaired, before any new byte of the detail."""
    pair = Pair(LINKS[link], reliable=False)
    pair.greet()
    first = len(pair.sending.sent)
    pair._drop = lambda from_sender, place: from_sender and place == first
    began = pair.now
    pair.offer(TEXT, DETAIL)
    pair.run(600.0, done=lambda: bool(pair.events(OfferReceived)))
    packets = [(at, decode_packet(data)) for at, data in pair.sending.sent[first:]]
    repaired = next(i for i, (_, packet) in enumerate(packets) if i and isinstance(packet, Offer))
    known_at = max(at for at, _ in pair.receiving.sent if at + LINKS[link].delay <= packets[repaired][0])
    assert not any(at > known_at + LINKS[link].delay + 0.1 for at, _ in packets[1:repaired])
    packet_time = 8 * pair.sender.statistics.packet_size / LINKS[link].rate
    round_trip = 2 * LINKS[link].delay + packet_time
    # Three later packets tell of the loss a round trip after the last of them left; then the text travels once.
    assert pair.now - began <= 5 * packet_time + round_trip + LINKS[link].delay + 2 * packet_time


@pytest.mark.parametrize("link", ["gsm", "iridium", "nb-iot"])
def test_no_acknowledgement_comes_for_a_minute(link: str) -> None:
    """The sender stops at its window, asks more and more rarely, holds no more than before, and goes on afterwards."""
    pair = Pair(LINKS[link], reliable=False)
    pair.greet()
    until = pair.now + 60.0
    pair._drop = lambda from_sender, _: not from_sender and pair.now < until
    pair.offer(TEXT, section(random.Random(0).randbytes(60_000), urgency=6, incremental=True))
    window = pair.sender.statistics.window
    pair.run(until)
    assert pair.sender.statistics.bytes_in_flight <= window
    late = [at for at, _ in pair.sending.sent if at > until - 40.0]
    assert len(late) <= 40.0 / MAX_PROBE_TIMEOUT + 4
    assert (
        sum(len(data) for at, data in pair.sending.sent if at < until)
        <= 2 * window + 12 * pair.sender.statistics.packet_size
    )
    pair.run(until + 600.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    assert payloads(pair)[0] == TEXT.payload
    assert pair.events(PictureDone)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), duplicate=st.sampled_from([0.1, 0.5, 1.0]), jitter=st.sampled_from([0.5, 1.5]))
def test_packets_are_repeated_and_shuffled(seed: int, duplicate: float, jitter: float) -> None:
    """Every section comes out once and unharmed, though packets overtake up to 32 others."""
    link = LinkProfile(name="x", rate=62_000, delay=0.2)
    pair = Pair(link, seed=seed, duplicate=duplicate, jitter=jitter, reliable=False)
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(900.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    assert payloads(pair) == [one.payload for one in PICTURE]
    assert len(pair.events(OfferReceived)) == len(pair.events(PictureDone)) == 1
    assert pair.receiver.held == 0


def test_an_outage_of_70_seconds_outlasts_a_deadline() -> None:
    """Nobody hangs up; the detail whose time is over is not sent any more, and the text of the next picture is."""
    pair = Pair(LINKS["iridium"], reliable=False)
    pair.greet()
    start = pair.now + 2.0
    pair._drop = lambda _, __: start < pair.now < start + 70.0
    old = pair.sender.offer(b"", [TEXT, DETAIL], deadline=pair.now + 30.0)
    pair.run(start + 40.0)
    new = pair.offer(section(b"the sea is calm again", urgency=0, layer=0), LINES)
    pair.run(start + 200.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    assert pair.sender.state is pair.receiver.state is State.READY
    assert [(event.picture_id, event.code) for event in pair.events(PictureRefused)] == [(old, Code.EXPIRED)]
    assert [event.picture_id for event in pair.events(PictureAborted)] == [old]
    assert payloads(pair, new) == [b"the sea is calm again", LINES.payload]
    after = [decode_packet(data) for at, data in pair.sending.sent if at > start + 70.0]
    assert not any(isinstance(packet, Data) and packet.image == old for packet in after)


def test_a_new_picture_overtakes_the_detail_of_the_old() -> None:
    """From the next packet on the new one goes first; the old picture's base is not forgotten."""
    pair = Pair(LINKS["gsm"])
    pair.greet()
    old = pair.offer(TEXT, LINES, DETAIL)
    pair.run(pair.now + 2.5)
    place = len(pair.sending.sent)
    new = pair.offer(TEXT, LINES, COLOURS)
    pair.run(600.0, done=lambda: len(pair.events(PictureAcknowledged)) == 2)
    after = [decode_packet(data) for _, data in pair.sending.sent[place:]]
    images = [packet.image for packet in after if isinstance(packet, Offer | Data)]
    assert images[: images.index(old)].count(new) == len([image for image in images if image == new])
    assert payloads(pair, old) == [TEXT.payload, LINES.payload, DETAIL.payload]


def test_a_cancelled_detail_stops_within_one_packet() -> None:
    """After the CANCEL nothing of the picture leaves any more, and what is in flight is acknowledged."""
    pair = Pair(LINKS["gsm"])
    pair.greet()
    old = pair.offer(TEXT, DETAIL)
    pair.run(pair.now + 2.0)
    place = len(pair.sending.sent)
    pair.sender.cancel(old)
    pair.run(pair.now + 20.0)
    assert [type(decode_packet(data)).__name__ for _, data in pair.sending.sent[place:]] == ["Cancel"]
    assert pair.sender.statistics.bytes_in_flight == 0
    assert pair.receiver.held == 0


@pytest.mark.parametrize("overhead", [0, PACKET_OVERHEAD])
@pytest.mark.parametrize("reliable", [True, False])
def test_an_urgent_text_behind_100_kb_of_detail(reliable: bool, overhead: int) -> None:
    """At 9,600 bit/s it arrives within (window + one packet) / rate + a round trip, whenever it comes."""
    link = LINKS["gsm"]
    pair = Pair(link, reliable=reliable, overhead=overhead)
    pair.greet()
    detail = random.Random(4).randbytes(50_000)
    pair.offer(*(section(detail, urgency=6, incremental=True) for _ in range(2)))
    packet = packet_size(link.rate, link.mtu, overhead, 100_000)
    for turn in range(12):
        pair.run(pair.now + 2.5 + 0.11 * turn)
        began = pair.now
        urgent = pair.offer(section(bytes(60), urgency=0, layer=0))
        pair.run(done=lambda turn=turn: len(pair.events(OfferReceived)) == turn + 2)  # type: ignore[misc]
        bound = 8 * (window(link.rate, 2 * link.delay, packet) + packet) / link.rate + 2 * link.delay
        assert pair.when(OfferReceived, urgent) - began <= bound


def test_bits_flip_on_the_way() -> None:
    """Damaged packets are dropped and counted; while they are less than three a second the picture arrives."""
    rng = random.Random(5)
    pair = Pair(LINKS["iridium"], reliable=False)
    flipped = [-1.0, -1.0]

    def flip(from_sender: bool, packet: bytes) -> bytes:
        if pair.now - flipped[from_sender] < 1.0 or rng.random() < 0.5:
            return packet
        flipped[from_sender] = pair.now
        bit = rng.randrange(8 * len(packet))
        return (int.from_bytes(packet) ^ 1 << bit).to_bytes(len(packet))

    pair.greet()
    pair._mangle = flip
    pair.offer(*PICTURE)
    pair.run(900.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    assert payloads(pair) == [one.payload for one in PICTURE]
    assert pair.receiver.bad_packets > 8
    assert pair.sender.bad_packets > 4
    assert pair.sender.state is pair.receiver.state is State.READY


def test_a_picture_that_was_thrown_away_is_never_taken_for_delivered() -> None:
    """Though every ERR about it is lost: whatever acknowledges its packets tells of its end, too."""
    pair = Pair(LINKS["gsm"], reliable=False, limits=Limits(open_pictures=1))
    pair.greet()
    # What nobody knows is passed over in silence.
    nothing = b"\x91\x20" + zlib.crc32(b"\x91\x20").to_bytes(4)
    pair._mangle = lambda _, packet: nothing if isinstance(decode_packet(packet), Err) else packet
    pictures = [pair.offer(TEXT, section(random.Random(i).randbytes(700), urgency=2)) for i in range(5)]
    ends = (PictureAcknowledged, PictureRefused)
    pair.run(300.0, done=lambda: sum(len(pair.events(end)) for end in ends) == len(pictures))
    delivered = [event.picture_id for event in pair.events(PictureAcknowledged)]
    refused = [event.picture_id for event in pair.events(PictureRefused)]
    assert sorted(delivered + refused) == pictures
    assert sorted(delivered) == sorted(event.picture_id for event in pair.events(PictureDone))
    assert refused


@pytest.mark.parametrize("one_way", [True, False])
def test_the_next_link_has_smaller_packets(one_way: bool) -> None:
    """What was cut for the old one is cut anew, also where an ERR about a picture is all that answers the greeting."""
    sender = SenderConnection(
        now=0.0,
        resumable=True,
        credentials=SenderCredentials(stream_id=b"x"),
        path=PathOptions(one_way=one_way, reliable=False),
    )
    answer = encode_packet(Welcome(version=1, session=b"s"))
    sender.receive(answer, 0.0)
    sender.offer(b"head", [TEXT, LINES])
    sender.disconnect(1.0)
    sender.resume(2.0, PathOptions(mtu=200, reliable=False, one_way=one_way))
    sender.receive(answer, 2.1)
    sender.receive(encode_packet(Err(code=Code.EVICTED, image=7)), 2.2)
    packets = []
    for step in range(300):
        sender.tick(3.0 + step / 4)
        while (packet := sender.next_packet(3.0 + step / 4)) is not None:
            packets.append(packet)
    assert any(isinstance(decode_packet(packet), Offer) for packet in packets)
    assert max(map(len, packets)) <= 200
