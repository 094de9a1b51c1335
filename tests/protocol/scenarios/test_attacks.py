"""What a malicious or broken peer does, and what must come of it; `docs/faults.md` lists every case."""

import asyncio
import gc
import hmac
import logging
import sys
import tracemalloc
from pathlib import Path
from unittest.mock import patch

import pytest

from layercast_common.errors import LocalProtocolError, PacketError, RemoteProtocolError
from protocol import Limits, OutgoingSection, ReceiverConnection, SenderConnection, decode_packet, encode_packet
from protocol.connection.base import MAX_CONTROL
from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, SectionReceived
from protocol.connection.states import State
from protocol.receiving.options import ReceiverOptions
from protocol.wire.codes import Code
from protocol.wire.fields import Done
from protocol.wire.packets import Ack, Cancel, Err, Hello, Packet, Ping, Welcome
from protocol.wire.seals import SharedKey
from tests.support.adversary import CARRIERS, besieged_receiver, besieged_sender, data, hello, offer, sealed
from tests.support.tokens import admit_token
from tests.support.transport_fixtures import Kind

IMPATIENT = Limits(hello_seconds=0.3)

MONSTERS = {
    "empty array": b"\x90",
    "an array of 2**32 - 1": b"\xdd\xff\xff\xff\xff",
    "a map of 2**32 - 1": b"\xdf\xff\xff\xff\xff",
    "nested 1300 times": b"\x91" * 1300,
    "4 GiB of payload": b"\x96\x00\x01\x01\x00\x00\xc6\xff\xff\xff\xff",
    "a hidden extension": b"\xc9\xff\xff\xff\xff\x05",
}


def receiver(*, limits: Limits | None = None, token: str | None = None) -> ReceiverConnection:
    """A receiver at time 0."""
    admit = None if token is None else admit_token(token)
    return ReceiverConnection(session=b"test", now=0.0, options=ReceiverOptions(admit=admit, limits=limits or Limits()))


def ready(limits: Limits | None = None) -> ReceiverConnection:
    """A receiver that was greeted."""
    made = receiver(limits=limits)
    made.receive(encode_packet(hello()), 0.0)
    assert isinstance(answers(made)[0], Welcome)
    return made


def welcomed() -> SenderConnection:
    """A sender that was welcomed."""
    made = SenderConnection(now=0.0)
    answers(made)
    made.receive(encode_packet(Welcome(version=1, session=b"x")), 0.01)
    made.take_events()
    return made


def answers(connection: ReceiverConnection | SenderConnection, now: float = 0.0) -> list[Packet]:
    """What a connection sends."""
    packets = []
    while (sent := connection.next_packet(now)) is not None:
        packet = decode_packet(sent)
        assert packet is not None
        packets.append(packet)
    return packets


# Damaged and monstrous packets


def test_one_flipped_bit_anywhere_is_counted_and_the_session_stays() -> None:
    made, now = ready(), 0.0
    packet = encode_packet(offer())
    for bit in range(8 * len(packet)):
        now += 0.5
        made.receive((int.from_bytes(packet) ^ 1 << bit).to_bytes(len(packet)), now)
    assert made.bad_packets == 8 * len(packet)
    assert made.state is State.READY
    assert made.take_events() == []
    made.receive(packet, now)
    assert [type(event) for event in made.take_events()] == [OfferReceived]


@pytest.mark.parametrize("body", MONSTERS.values(), ids=MONSTERS.keys())
def test_monsters_cost_nothing(body: bytes) -> None:
    """They are refused before anything of the size that they announce is made."""
    tracemalloc.start()
    try:
        for _ in range(20):
            with pytest.raises(PacketError):
                decode_packet(sealed(body))
        with pytest.raises(PacketError):
            decode_packet(bytes(1401))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


@CARRIERS
@pytest.mark.parametrize("greeted", [True, False])
async def test_three_damaged_packets_in_a_second_end_it(kind: Kind, greeted: bool, tmp_path: Path) -> None:
    async with besieged_receiver(kind, tmp_path) as siege:
        if greeted:
            await siege.say(hello())
            await siege.hear(Welcome)
        await siege.say(b"junk", sealed(MONSTERS["nested 1300 times"])[:1000], sealed(MONSTERS["4 GiB of payload"]))
        assert await siege.last_words() == Err(code=Code.BAD_PACKETS)
        assert siege.connection.bad_packets == 3


# Contradictions and floods


@CARRIERS
@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(data(3, 4), id="a fragment beyond the end"),
        pytest.param(data(3, 1, payload=bytes(15)), id="a fragment of the wrong size"),
        pytest.param(data(3, 0, payload=bytes(15) + b"x"), id="other bytes for a fragment that came"),
        pytest.param(data(3, 0, section=1), id="a section that was not announced"),
        pytest.param(offer(3, length=80), id="another table"),
    ],
)
async def test_a_picture_that_contradicts_itself_is_poisoned(kind: Kind, lie: Packet, tmp_path: Path) -> None:
    """What came first stays as it came, the picture fails, and the next one is as welcome as ever."""
    async with besieged_receiver(kind, tmp_path) as siege:
        await siege.say(hello(), offer(), data(2, 0), lie)
        refusal = await siege.hear(Err)
        assert refusal == Err(code=Code.BAD_OBJECT, image=1)
        await siege.say(*(data(4 + i, i) for i in range(4)))
        await siege.say(offer(10, 2), *(data(11 + i, i, image=2) for i in range(4)))
        async with asyncio.timeout(120.0):
            while not any(isinstance(event, PictureDone) for event in siege.events):  # noqa: ASYNC110 - at the other end
                await asyncio.sleep(0.01)
        told = [(type(event).__name__, getattr(event, "picture_id", 0)) for event in siege.events]
        assert told == [
            ("OfferReceived", 1),
            ("PictureAborted", 1),
            ("OfferReceived", 2),
            ("SectionReceived", 2),
            ("PictureDone", 2),
        ]
        assert siege.connection.state is State.READY


def test_pictures_without_end_from_one_peer() -> None:
    """A few are held, the oldest gives way, and memory does not grow."""
    limits = Limits()
    made, blocks = ready(limits), []
    for image in range(1, 4001):
        made.receive(encode_packet(offer(image, image, length=30_000)), image / 5)
        made.take_events()
        answers(made, image / 5)
        assert made.held <= limits.peer_bytes
        if image % 1000 == 0:
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    assert made.state is State.READY
    assert max(blocks) - blocks[0] < 1000


def test_pictures_all_at_once_from_one_peer() -> None:
    """Who offers faster than anybody honest has to wait: little of it reaches the application."""
    limits = Limits()
    made = ready(limits)
    for image in range(1, 5001):
        made.receive(encode_packet(offer(image, image, length=30_000)), 1.0)
    told = sum(isinstance(event, OfferReceived) for event in made.take_events())
    assert told <= limits.open_pictures + limits.evictions
    assert len(answers(made, 1.0)) <= MAX_CONTROL + 1


def test_data_of_pictures_that_were_never_offered() -> None:
    limits = Limits()
    made = ready(limits)
    for number in range(1, 20_000):
        made.receive(encode_packet(data(number, 0, image=number, payload=bytes(1000))), 0.0)
        answers(made)
    assert made.held <= limits.early_packets * 1000
    assert made.take_events() == []


# Replays and forgeries


def test_a_replayed_packet_changes_nothing() -> None:
    made = ready()
    said: list[Packet] = [offer(), *(data(2 + i, i) for i in range(4))]
    packets = [encode_packet(packet) for packet in said]
    for packet in packets:
        made.receive(packet, 0.0)
    assert [type(event) for event in made.take_events()] == [OfferReceived, SectionReceived, PictureDone]
    for number in range(6, 60):
        made.receive(encode_packet(data(number, 0)), 0.0)
    for packet in packets * 50:
        made.receive(packet, 0.0)
    assert made.take_events() == []
    assert made.held == 0
    assert made.state is State.READY


def test_under_a_shared_key_nothing_recorded_is_of_use() -> None:
    """A captured HELLO is not answered again, and packets of one session mean nothing in another."""
    key, recorded = SharedKey(b"sixteen or more bytes"), []

    def receive() -> ReceiverConnection:
        return ReceiverConnection(session=b"s", now=0.0, options=ReceiverOptions(admit=None, limits=Limits(), key=key))

    one = receive()
    sender = SenderConnection(now=0.0, key=SharedKey(b"sixteen or more bytes"))
    for _ in range(4):
        while (packet := sender.next_packet(0.0)) is not None:
            recorded.append(packet)
            one.receive(packet, 0.0)
        while (packet := one.next_packet(0.0)) is not None:
            sender.receive(packet, 0.0)
        if sender.state is State.READY and not sender.open_pictures and len(recorded) == 1:
            sender.offer(b"head", [OutgoingSection(layer=0, coder=0, payload=b"text", urgency=0)])
    assert any(isinstance(event, PictureDone) for event in one.take_events())
    other = receive()
    for packet in recorded:
        other.receive(packet, 10.0)
    assert other.take_events() == []
    assert other.next_packet(10.0) is None
    assert other.state is State.NEW
    # A receiver that was started again cannot know the greeting; what follows means nothing to it all the same.
    forgetful = ReceiverConnection(
        session=b"t",
        now=0.0,
        options=ReceiverOptions(admit=None, limits=Limits(), key=SharedKey(b"sixteen or more bytes")),
    )
    for now, packet in enumerate(recorded):
        forgetful.receive(packet, 10.0 * now)
    assert forgetful.bad_packets == len(recorded) - 1 > 0
    assert forgetful.take_events() == []


@pytest.mark.parametrize("place", range(4))
def test_without_the_key_nobody_is_heard(place: int) -> None:
    """CRC-32, another key, a cut tag, no tag: all are bad packets."""
    key = SharedKey(b"sixteen or more bytes")
    made = ReceiverConnection(session=b"s", now=0.0, options=ReceiverOptions(admit=None, limits=Limits(), key=key))
    stranger = SenderConnection(now=0.0, key=SharedKey(b"a different secret"))
    theirs = stranger.next_packet(0.0)
    assert theirs is not None
    forged = [encode_packet(hello()), theirs, theirs[:-4], theirs[:-8]][place]
    made.receive(forged, 0.0)
    assert made.bad_packets == 1
    assert made.next_packet(0.0) is None


# Tokens


@CARRIERS
@pytest.mark.parametrize("token", ["", "wrong", "secreT", "secret\0", "s" * 256])
async def test_a_wrong_token_is_turned_away(
    kind: Kind, token: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with besieged_receiver(kind, tmp_path, token="secret") as siege:
        await siege.say(hello(token))
        assert await siege.last_words() == Err(code=Code.AUTHENTICATION)
    assert "secret" not in caplog.text
    assert not token or token not in caplog.text


def test_tokens_are_compared_in_constant_time() -> None:
    with patch.object(hmac, "compare_digest", wraps=hmac.compare_digest) as compare:
        made = receiver(token="secret")
        made.receive(encode_packet(hello("secret")), 0.0)
    assert compare.called
    assert made.state is State.READY


def test_no_greeting_shows_its_token() -> None:
    assert "secret" not in repr(hello("secret"))
    assert "secret" not in str(hello("secret"))


# Versions and what is not known


@CARRIERS
async def test_no_version_in_common(kind: Kind, tmp_path: Path) -> None:
    async with besieged_receiver(kind, tmp_path) as siege:
        await siege.say(hello(versions=0b10))
        assert await siege.last_words() == Err(code=Code.VERSION)


@CARRIERS
async def test_what_a_later_version_adds_is_ignored(kind: Kind, tmp_path: Path) -> None:
    """Packets of unknown types from 32, further fields of a greeting, and abilities that nobody knows."""
    import msgpack  # type: ignore[import-untyped]

    greeting = msgpack.unpackb(encode_packet(Hello(versions=0b111, stream=b"x", capabilities=(900, 65535)))[:-4])
    async with besieged_receiver(kind, tmp_path) as siege:
        await siege.say(sealed(b"\x92\x20\xc0"), sealed(msgpack.packb([*greeting, {"greased": [1, 2]}, None])))
        welcome = await siege.hear(Welcome)
        assert isinstance(welcome, Welcome)
        assert welcome.version == 1
        await siege.say(sealed(msgpack.packb([77, 1, 2, "later"])), offer(), Ping(value=7))
        await siege.hear(Ack)
        assert [type(event) for event in siege.events] == [OfferReceived]


@pytest.mark.parametrize("number", [14, 15, 31])
def test_unknown_packets_below_the_extensions_are_malformed(number: int) -> None:
    with pytest.raises(PacketError):
        decode_packet(sealed(bytes([0x92, number, 1])))


# Slow and silent peers


@CARRIERS
@pytest.mark.parametrize("trickle", [False, True])
async def test_who_does_not_greet_is_dropped(kind: Kind, trickle: bool, tmp_path: Path) -> None:
    """Neither silence nor bytes that mean nothing keep a place."""
    async with besieged_receiver(kind, tmp_path, limits=IMPATIENT) as siege:

        async def drip() -> None:
            while True:
                await siege.say(sealed(b"\x92\x20\xc0"))
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip()) if trickle else None
        assert await siege.last_words() == Err(code=Code.HELLO_TIMEOUT)
        if dripping:
            dripping.cancel()


@CARRIERS
async def test_a_receiver_that_stops_reading_holds_up_only_itself(kind: Kind, tmp_path: Path) -> None:
    """No more than the window is ever under way to it."""
    async with besieged_sender(kind, tmp_path) as siege:
        await siege.say(Welcome(version=1, session=b"x"))
        sender = siege.connection
        assert isinstance(sender, SenderConnection)
        async with asyncio.timeout(120.0):
            while sender.state is not State.READY:  # noqa: ASYNC110 - told at the other end
                await asyncio.sleep(0.01)
        sender.offer(b"head", [OutgoingSection(layer=3, coder=0, payload=bytes(60_000), urgency=6)])
        await asyncio.sleep(0.5)
        assert 0 < sender.statistics.bytes_in_flight <= sender.statistics.window + 1400
        assert sender.state is State.READY


# Lies about what arrived


@CARRIERS
@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(Ack(largest=0xFFFF_FFFF), id="a packet never sent"),
        pytest.param(Ack(largest=1, done=(Done(image=7, sections=1),)), id="a picture never offered"),
    ],
)
async def test_an_acknowledgement_of_what_was_never_sent_ends_it(kind: Kind, lie: Packet, tmp_path: Path) -> None:
    async with besieged_sender(kind, tmp_path) as siege:
        await siege.say(Welcome(version=1, session=b"x"))
        sender = siege.connection
        assert isinstance(sender, SenderConnection)
        async with asyncio.timeout(120.0):
            while sender.state is not State.READY:  # noqa: ASYNC110 - told at the other end
                await asyncio.sleep(0.01)
        sender.offer(b"head", [OutgoingSection(layer=3, coder=0, payload=bytes(600), urgency=6)])
        await siege.say(lie)
        await asyncio.wait([siege.running], timeout=120.0)
        assert sender.close_code is Code.PROTOCOL


def test_lies_about_time_do_not_open_the_window() -> None:
    """An ACK that comes in no time, with a delay longer than the packet was away, at a rate that no link has."""
    made = welcomed()
    for _ in range(4):
        made.offer(b"head", [OutgoingSection(layer=3, coder=0, payload=bytes(60_000), urgency=6)])
    now, sent = 1.0, 0
    for _ in range(400):
        while made.next_packet(now) is not None:
            sent += 1
        if sent:
            made.receive(encode_packet(Ack(largest=sent, delay=0xFFFF)), now + 1e-9)
        now += 1e-9
        assert 0 <= made.statistics.bytes_in_flight <= 1024 * 1024 + 1400
        assert made.statistics.window <= 1024 * 1024 + 1400
        assert made.statistics.round_trip >= 0.0
        assert made.statistics.rate <= 1e12
    assert made.state is State.READY


def test_a_version_that_nobody_asked_for() -> None:
    made = SenderConnection(now=0.0)
    answers(made)
    with pytest.raises(RemoteProtocolError) as caught:
        made.receive(encode_packet(Welcome(version=9, session=b"x")), 0.0)
    assert caught.value.code == Code.VERSION


def test_a_receiver_that_takes_next_to_nothing() -> None:
    """What does not fit is refused here, in words; nothing larger ever leaves."""
    made = SenderConnection(now=0.0)
    answers(made)
    made.receive(encode_packet(Welcome(version=1, session=b"x", max_packet=32)), 0.0)
    with pytest.raises(LocalProtocolError, match="32"):
        made.offer(b"head", [OutgoingSection(layer=0, coder=0, payload=bytes(600), urgency=0)])
    assert all(len(encode_packet(packet)) <= 32 for packet in answers(made))


# Texts


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;owned\x07", "\u202egnp.exe", "a\0b", "\r\nGET / HTTP/1.1"])
async def test_texts_of_a_peer_reach_no_log(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what a token holds nor what a stream is called, nor a session."""
    caplog.set_level(logging.DEBUG)
    kind = next(kind for kind in CARRIERS.args[1] if kind.id == "memory").values[0]
    async with besieged_receiver(kind, tmp_path, token="secret") as siege:
        await siege.say(Hello(versions=1, stream=text.encode()[:16], token=text))
        await siege.last_words()
    made = SenderConnection(now=0.0)
    answers(made)
    made.receive(encode_packet(Welcome(version=1, session=text.encode()[:16])), 0.0)
    names = [event.session for event in made.take_events() if hasattr(event, "session")]
    assert all(name.isalnum() for name in names)
    assert not any(not character.isprintable() for record in caplog.records for character in record.getMessage())


@pytest.mark.parametrize("value", [b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"])
@pytest.mark.parametrize("place", range(1, 5))
def test_sizes_that_are_no_numbers_are_refused(value: bytes, place: int) -> None:
    """NaN and infinity, in any field of a DATA packet."""
    fields = [b"\x00", b"\x01", b"\x01", b"\x00", b"\x00", b"\xc4\x01a"]
    fields[place] = value
    with pytest.raises(PacketError):
        decode_packet(sealed(b"\x96" + b"".join(fields)))


def test_a_long_token_is_malformed() -> None:
    with pytest.raises(PacketError):
        decode_packet(sealed(b"\x95\x02\x01\xc4\x00\x00\x00\xda\xff\xff" + b"x" * 1300))


def test_cancelling_what_nobody_knows() -> None:
    made = ready()
    for number in range(1, 5000):
        made.receive(encode_packet(Cancel(pn=number, image=number + 7)), 0.0)
        answers(made)
    assert made.held == 0
    assert not any(isinstance(event, PictureAborted) for event in made.take_events())
