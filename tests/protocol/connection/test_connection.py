"""Two connections talking: greetings, refusals, failures, and who is told what."""

import zlib

import msgpack  # type: ignore[import-untyped]
import pytest

from layercast_common.errors import AuthenticationError, DisconnectedError, LocalProtocolError, RemoteProtocolError
from protocol.connection.base import MAX_CONTROL
from protocol.connection.events import (
    Closed,
    OfferReceived,
    PictureAborted,
    PictureAcknowledged,
    PictureDone,
    PictureRefused,
    SectionAcknowledged,
    SectionReceived,
    Welcomed,
)
from protocol.connection.states import State
from protocol.link_profiles import LINKS, LinkProfile
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.sending.connection import SenderConnection
from protocol.wire.codes import Code, error_of
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.fields import Done, SectionEntry
from protocol.wire.limits import Limits
from protocol.wire.packets import (
    Ack,
    Bye,
    Cancel,
    Data,
    Err,
    Hello,
    Offer,
    Packet,
    Ping,
    Pong,
    Prio,
    Resume,
    Want,
    Welcome,
)
from tests.support.connection_pair import Pair, section
from tests.support.tokens import admit_token

FAST = LINKS["fast"]
HELLO = Hello(versions=1, stream=b"")
PICTURE = (section(b"a red cat", urgency=0, layer=0), section(bytes(300), urgency=2), section(bytes(90), urgency=3))


def receiver(*, token: str | None = None, limits: Limits | None = None) -> ReceiverConnection:
    """A new receiver at time 0."""
    return ReceiverConnection(
        session=b"test", now=0.0, options=ReceiverOptions(admit=admit_token(token), limits=limits or Limits())
    )


def ready() -> ReceiverConnection:
    """A receiver that was greeted."""
    made = receiver()
    feed(made, HELLO)
    assert isinstance(answers(made)[0], Welcome)
    return made


def feed(connection: ReceiverConnection | SenderConnection, packet: Packet, now: float = 0.0) -> None:
    """Let a packet arrive."""
    connection.receive(encode_packet(packet), now)


def answers(connection: ReceiverConnection | SenderConnection, now: float = 0.0) -> list[Packet]:
    """What a connection sends."""
    packets = []
    while (data := connection.next_packet(now)) is not None:
        packet = decode_packet(data)
        assert packet is not None
        packets.append(packet)
    return packets


def offer(pn: int = 1, image: int = 1, length: int = 64) -> Offer:
    """An OFFER of one section of zeros, in fragments of 16."""
    check = zlib.crc32(bytes(length)) & 0xFFFF
    row = SectionEntry.of(layer=1, coder=1, urgency=2, incremental=False, length=length, check=check)
    return Offer(pn, image, b"head", 16, (row,))


def data(pn: int, fragment: int, image: int = 1) -> Data:
    """A fragment of zeros."""
    return Data(pn=pn, image=image, section=0, fragment=fragment, payload=bytes(16))


def test_a_picture_from_end_to_end() -> None:
    pair = Pair(FAST, token="secret", shown_token="secret")
    pair.greet()
    image = pair.offer(*PICTURE)
    pair.run(done=lambda: bool(pair.events(PictureAcknowledged)))
    assert pair.events(Welcomed) == [Welcomed(session=b"test1".hex())]
    assert [type(event) for _, event in pair.receiving.events] == [OfferReceived, *[SectionReceived] * 3, PictureDone]
    assert [event.index for event in pair.events(SectionAcknowledged)] == [0, 1, 2]
    (done,) = pair.events(PictureDone)
    (told,) = pair.events(PictureAcknowledged)
    assert told.picture_id == image
    assert told.cost.total == done.received == sum(len(packet) for _, packet in pair.sending.sent[1:])
    assert told.cost.packets == len(pair.sending.sent) - 1


def test_the_first_packet_alone_gives_a_picture() -> None:
    pair = Pair(LINKS["iridium"])
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(done=lambda: bool(pair.events(SectionReceived)))
    (offered,) = pair.events(OfferReceived)
    (text,) = pair.events(SectionReceived)
    assert (text.payload, text.received) == (b"a red cat", offered.received)
    assert offered.rate == 2400


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        (HELLO, None),
        (Hello(versions=0b1000_0001, stream=b"", capabilities=(7, 0xFFFF)), None),
        (Hello(versions=0b10, stream=b""), Code.VERSION),
        (Hello(versions=1, stream=b"", role=1), Code.ROLE),
        (Hello(versions=1, stream=b"", role=7), Code.ROLE),
    ],
)
def test_greetings(hello: Hello, code: Code | None) -> None:
    made = receiver()
    if code is None:
        feed(made, hello)
        assert answers(made) == [Welcome(version=1, session=b"test", resume_ttl=0)]
        return
    with pytest.raises(RemoteProtocolError) as caught:
        feed(made, hello)
    assert caught.value.code == code
    assert answers(made) == [Err(code=code)]
    assert made.finished


@pytest.mark.parametrize("token", ["", "Secret", "secret ", "secre", "ß" * 9])
def test_a_wrong_token_is_refused(token: str) -> None:
    pair = Pair(FAST, token="secret", shown_token=token)
    with pytest.raises(RemoteProtocolError, match="the token is wrong"):
        pair.run(10.0)
    (told,) = answers(pair.receiver)
    feed(pair.sender, told)
    assert pair.sender.close_code is Code.AUTHENTICATION
    assert isinstance(error_of(pair.sender.close_code), AuthenticationError)
    assert "secret" not in str(error_of(pair.sender.close_code))


def test_greeting_again_is_fine_but_not_differently() -> None:
    made = ready()
    feed(made, HELLO)
    assert isinstance(answers(made)[0], Welcome)
    with pytest.raises(RemoteProtocolError, match="two different HELLO"):
        feed(made, Hello(versions=1, stream=b"", token="other"))


def test_lost_greetings_are_repeated() -> None:
    pair = Pair(FAST, reliable=False, drop=lambda from_sender, place: place < 2, limits=Limits(hello_seconds=60.0))
    pair.greet()
    assert pair.now == pytest.approx(3 + 6 + 12 + 24, rel=0.5)
    assert pair.events(Welcomed) == [Welcomed(session=b"test1".hex())]


def test_who_says_nothing_is_dropped() -> None:
    made = receiver()
    made.tick(4.9)
    assert made.next_wakeup() == 5.0
    with pytest.raises(RemoteProtocolError) as caught:
        made.tick(5.0)
    assert caught.value.code == Code.HELLO_TIMEOUT
    assert answers(made) == [Err(code=Code.HELLO_TIMEOUT, image=0)]


@pytest.mark.parametrize("packet", [offer(), data(1, 0), Cancel(pn=1, image=1), Ping(value=1), Pong(value=1)])
def test_nothing_before_the_greeting(packet: Packet) -> None:
    made = receiver()
    with pytest.raises(RemoteProtocolError) as caught:
        feed(made, packet)
    assert caught.value.code == Code.PROTOCOL
    assert answers(made) == [Err(code=Code.PROTOCOL, image=0)]


@pytest.mark.parametrize(
    "packet", [Welcome(1, b""), Resume(), Want(1, 1, 1), Prio(1, 1, 1, 1)], ids=["WELCOME", "RESUME", "WANT", "PRIO"]
)
def test_a_sender_does_not_play_the_receiver(packet: Packet) -> None:
    made = ready()
    with pytest.raises(RemoteProtocolError, match="the peer sent"):
        feed(made, packet)


def test_three_damaged_packets_a_second_are_too_many() -> None:
    made = ready()
    for now in (0.0, 0.5, 1.1, 1.6):
        made.receive(b"junk" * 9, now)
    assert (made.bad_packets, made.state) == (4, State.READY)
    with pytest.raises(RemoteProtocolError) as caught:
        made.receive(b"", 1.7)
    assert caught.value.code == Code.BAD_PACKETS
    assert made.bad_packets == 5


def test_extensions_are_ignored() -> None:
    made = ready()
    body = msgpack.packb([200, "anything", {"at": ["all"]}])
    made.receive(body + zlib.crc32(body).to_bytes(4, "big"), 0.0)
    assert (made.state, made.bad_packets, answers(made)) == (State.READY, 0, [])


def test_an_ack_for_a_packet_that_was_never_sent_ends_it() -> None:
    pair = Pair(FAST)
    pair.greet()
    with pytest.raises(RemoteProtocolError, match="never sent"):
        feed(pair.sender, Ack(largest=5, delay=0, missing=0, done=()), pair.now)
    assert pair.sender.close_code is Code.PROTOCOL


def test_when_acks_leave() -> None:
    made = ready()
    feed(made, offer())
    assert [type(packet) for packet in answers(made)] == [Ack]
    feed(made, data(2, 0), 1.0)
    assert answers(made, 1.0) == []
    assert made.next_wakeup() == pytest.approx(1.025)
    assert answers(made, 1.03) == [Ack(largest=2, delay=30, missing=0, done=())]
    feed(made, data(3, 1), 2.0)
    feed(made, data(4, 2), 2.02)
    assert answers(made, 2.04) == []
    assert answers(made, 2.045) == [Ack(largest=4, delay=25, missing=0, done=())]
    feed(made, data(6, 0), 3.0)
    assert answers(made, 3.0) == [Ack(largest=6, delay=0, missing=1, done=())]
    feed(made, data(7, 3), 4.0)
    (last,) = answers(made, 4.0)
    assert isinstance(last, Ack)
    assert [(done.image, done.sections) for done in last.done] == [(1, 1)]
    assert sum(isinstance(event, PictureDone) for event in made.take_events()) == 1


def test_a_repeated_packet_is_acknowledged_and_otherwise_ignored() -> None:
    made = ready()
    for _ in range(3):
        feed(made, offer())
        assert [type(packet) for packet in answers(made)] == [Ack]
    assert [type(event) for event in made.take_events()] == [OfferReceived]


def test_a_poisoned_picture_is_refused_and_the_rest_goes_on() -> None:
    made = ready()
    feed(made, offer())
    feed(made, Data(pn=2, image=1, section=0, fragment=9, payload=b"x"))
    assert Err(code=Code.BAD_OBJECT, image=1) in answers(made)
    feed(made, data(3, 1))
    assert Err(code=Code.BAD_OBJECT, image=1) in answers(made)
    feed(made, offer(pn=4, image=2))
    assert [type(event) for event in made.take_events()] == [OfferReceived, PictureAborted, OfferReceived]


def test_a_flood_of_pings_is_not_hoarded() -> None:
    made = ready()
    for _ in range(1000):
        feed(made, Ping(value=1))
    assert answers(made) == [Pong(value=1)] * MAX_CONTROL


def test_a_refused_picture() -> None:
    pair = Pair(FAST, limits=Limits(peer_bytes=200))
    pair.greet()
    image = pair.offer(*PICTURE)
    pair.run(10.0, done=lambda: bool(pair.events(PictureRefused)))
    (refused,) = pair.events(PictureRefused)
    assert (refused.picture_id, refused.code) == (image, Code.TOO_LARGE)
    assert pair.sender.open_pictures == 0
    assert pair.events(OfferReceived) == []


def test_cancelling_tells_the_receiver() -> None:
    pair = Pair(LINKS["iridium"])
    pair.greet()
    image = pair.offer(section(bytes(5000)))
    pair.run(pair.now + 5.0)
    pair.sender.cancel(image)
    pair.run(pair.now + 10.0)
    (failed,) = pair.events(PictureAborted)
    assert failed.code is Code.CANCELLED
    assert failed.received < 2500
    assert pair.sender.statistics.bytes_in_flight == 0


def test_a_lost_cancel_is_repeated() -> None:
    pair = Pair(LINKS["iridium"], reliable=False)
    pair.greet()
    pair.offer(section(bytes(5000)))
    pair.run(pair.now + 4.0)
    pair.sender.cancel(1)
    cancel = len(pair.sending.sent)
    pair._drop = lambda from_sender, place: from_sender and place == cancel
    pair.run(pair.now + 30.0)
    (failed,) = pair.events(PictureAborted)
    assert failed.code is Code.CANCELLED
    cancels = [data for _, data in pair.sending.sent if isinstance(decode_packet(data), Cancel)]
    assert len(cancels) == 2
    assert pair.sender.statistics.bytes_in_flight == 0


def test_a_deadline_drops_what_is_unsent() -> None:
    pair = Pair(LINKS["iridium"])
    pair.greet()
    pair.sender.offer(b"", [section(b"text", urgency=0), section(bytes(5000))], deadline=pair.now + 4.0)
    began = pair.now
    pair.run(done=lambda: bool(pair.events(PictureAborted)))
    (refused,) = pair.events(PictureRefused)
    assert refused.code is Code.EXPIRED
    assert pair.when(PictureRefused, 1) == began + 4.0
    assert pair.when(PictureAborted, 1) < began + 4.0 + 0.9 + 0.5


def test_offering() -> None:
    pair = Pair(FAST)
    with pytest.raises(LocalProtocolError, match="while the connection is"):
        pair.offer(section(b"x"))
    pair.greet()
    with pytest.raises(LocalProtocolError, match="a picture is at most 262144 bytes, not 262146"):
        pair.offer(*[section(bytes(43691))] * 6)
    for _ in range(Limits().open_pictures):
        pair.offer(section(b"x"))
    with pytest.raises(LocalProtocolError, match="8 pictures are unfinished"):
        pair.offer(section(b"x"))


def test_an_idle_connection_stays() -> None:
    pair = Pair(LINKS["iridium"])
    pair.greet()
    pair.run(10 * 3600.0)
    assert pair.now > 35_000
    assert pair.sender.state is pair.receiver.state is State.READY


def test_an_outage_of_70_seconds_is_survived() -> None:
    pair = Pair(LINKS["iridium"], reliable=False)
    pair.greet()
    pair._drop = lambda from_sender, place: 5.0 < pair.now < 75.0
    pair.offer(section(b"text", urgency=0), section(bytes(3000)))
    pair.run(300.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    (told,) = pair.events(PictureAcknowledged)
    assert told.cost.total < 1.3 * 3000 * 64 / 51
    during = [at for at, _ in pair.sending.sent if 10.0 < at < 75.0]
    assert len(during) < 15


def test_silence_ends_it() -> None:
    pair = Pair(FAST)
    pair.greet()
    pair._drop = lambda from_sender, place: True
    with pytest.raises(RemoteProtocolError) as caught:
        pair.run(1e4)
    assert caught.value.code == Code.SILENT
    assert pair.now == pytest.approx(120.0, abs=1.0)


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_goodbye(who: str) -> None:
    pair = Pair(FAST)
    pair.greet()
    pair.offer(section(bytes(30)))
    getattr(pair, who).close(Code.GOING_AWAY, retry=9)
    pair.run(10.0)
    assert pair.sender.finished
    assert pair.receiver.finished
    assert pair.sender.close_code is pair.receiver.close_code is Code.GOING_AWAY
    assert [type(event) for _, event in pair.sending.events][-2:] == [PictureRefused, Closed]


def test_closing_before_greeting_needs_no_words() -> None:
    made = receiver()
    made.close()
    assert made.finished
    made.receive(encode_packet(HELLO), 0.0)
    assert answers(made) == []


def test_a_lost_transport_fails_the_open_pictures() -> None:
    made = ready()
    feed(made, offer())
    made.disconnect(0.0)
    assert [type(event) for event in made.take_events()] == [OfferReceived, PictureAborted]
    assert made.finished


@pytest.mark.parametrize("code", Code)
def test_every_code_has_words_and_an_error(code: Code) -> None:
    assert code.text
    assert Code.of(int(code)) is code
    error = error_of(code)
    assert str(error).count("\n") == 0
    assert isinstance(error, DisconnectedError) == (code in (Code.DONE, Code.GOING_AWAY))


def test_an_unknown_code_is_an_internal_error() -> None:
    assert Code.of(14) is Code.INTERNAL
    pair = Pair(FAST)
    pair.greet()
    feed(pair.sender, Bye(code=999))
    assert pair.sender.close_code is Code.INTERNAL


def test_the_receivers_packet_size_is_kept() -> None:
    made = SenderConnection(now=0.0)
    answers(made)
    feed(made, Welcome(version=1, session=b"", max_packet=100))
    made.offer(b"", [section(bytes(1000))])
    assert max(len(encode_packet(packet)) for packet in answers(made)) <= 100


def test_lost_pings_are_asked_again_soon() -> None:
    """Three lost pings in a row, or their answers, are nothing special where one packet in four gets lost."""
    pair = Pair(LinkProfile(name="bad", rate=2400, delay=0.1, loss=0.25), seed=3)
    pair.greet()
    pair.run(12 * 3600.0)
    assert pair.now > 12 * 3600 - 60
    assert pair.sender.state is pair.receiver.state is State.READY


def test_the_receiver_chooses_a_version_that_we_speak() -> None:
    for version in (0, 2, 255):
        made = SenderConnection(now=0.0)
        with pytest.raises(RemoteProtocolError, match="an unsupported protocol version"):
            feed(made, Welcome(version=version, session=b""))


def test_nothing_is_held_that_was_never_offered() -> None:
    pair = Pair(FAST)
    pair.greet()
    pair.offer(section(bytes(30)))
    pair.sender.tick(pair.now)
    answers(pair.sender, pair.now)
    with pytest.raises(RemoteProtocolError, match="never offered"):
        feed(pair.sender, Ack(largest=1, done=(Done(image=2, sections=1),)), pair.now)
