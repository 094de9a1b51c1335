"""Sessions that outlive their transport: what is sent again, what is not, and what nobody is told twice."""

from dataclasses import replace

import pytest

from layercast_common.errors import DisconnectedError, LocalProtocolError, RemoteProtocolError
from protocol.connection.events import (
    Event,
    OfferReceived,
    PictureAborted,
    PictureAcknowledged,
    PictureDone,
    PictureRefused,
    SectionReceived,
    Suspended,
    Welcomed,
)
from protocol.connection.states import State
from protocol.link_profiles import LINKS
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.sending.handshake import SenderCredentials
from protocol.wire.codes import Code
from protocol.wire.encoding import decode_packet
from protocol.wire.fields import Have
from protocol.wire.limits import Limits
from protocol.wire.packets import Data, Err, Offer, Packet, Resume
from tests.support.connection_pair import Pair, section

GSM = LINKS["gsm"]
TEXT = section(b"an old red lighthouse", urgency=0, layer=0)
LINES = section(bytes(range(250)) * 8, urgency=2, layer=1)
DETAIL = section(bytes(range(199, 0, -1)) * 10, urgency=6, layer=3)
PICTURE = (TEXT, LINES, DETAIL)


def begun(seconds: float, *, reliable: bool = True, **options: object) -> Pair:
    """A pair whose transport broke after a picture had been on its way for so long."""
    pair = Pair(GSM, stream=b"stream", resumable=True, reliable=reliable, **options)  # type: ignore[arg-type]
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(pair.now + seconds)
    pair.cut()
    return pair


def finish(pair: Pair) -> None:
    """Run until the picture is acknowledged."""
    pair.run(pair.now + 600.0, done=lambda: bool(pair.events(PictureAcknowledged)))


def packets(pair: Pair, since: int = 0) -> list[Packet]:
    """What the sender sent from a place on."""
    return [packet for _, data in pair.sending.sent[since:] if (packet := decode_packet(data)) is not None]


def told(pair: Pair) -> list[type[Event]]:
    """The receiver's events of pictures."""
    return [type(event) for _, event in pair.receiving.events]


@pytest.mark.parametrize("seconds", [0.2, 1.0, 2.0, 3.0])
def test_only_what_is_missing_is_sent_again(seconds: float) -> None:
    pair = begun(seconds)
    assert pair.sender.state is State.SUSPENDED
    assert pair.events(Suspended) == [Suspended()]
    place = len(pair.sending.sent)
    before = {(one.section, one.fragment) for one in packets(pair) if isinstance(one, Data)}
    pair.run(pair.now + 50.0)
    pair.reconnect()
    finish(pair)
    assert [event.resumed for event in pair.events(Welcomed)] == [False, True]
    assert pair.events(Welcomed)[0].session == pair.events(Welcomed)[1].session == pair.receiver.session
    assert told(pair) == [OfferReceived, *[SectionReceived] * 3, PictureDone]
    assert [event.payload for event in pair.events(SectionReceived)] == [one.payload for one in PICTURE]
    again = {(one.section, one.fragment) for one in packets(pair, place) if isinstance(one, Data)}
    # Only what was in flight when the transport broke is doubtful.
    window = 1.25 * GSM.rate / 8 * 2 * GSM.delay + 2 * pair.sender.statistics.packet_size
    assert len(again & before) * pair.sender.statistics.packet_size <= window
    assert len([one for one in packets(pair, place) if isinstance(one, Offer)]) == (seconds < 0.5)


def test_resume_tells_what_is_held() -> None:
    pair = begun(2.0)
    pair.reconnect()
    sent = len(pair.receiving.sent)
    pair.run(pair.now + 1.5)
    answers = [decode_packet(data) for _, data in pair.receiving.sent[sent:]]
    (resume,) = [packet for packet in answers if isinstance(packet, Resume)]
    (have,) = resume.have
    assert isinstance(have, Have)
    assert (have.image, have.sections) == (1, 0b001)
    assert [part.section for part in have.parts] == [1]


def test_what_is_offered_while_nobody_is_there() -> None:
    pair = begun(1.0)
    second = pair.offer(TEXT)
    pair.sender.cancel(1)
    with pytest.raises(LocalProtocolError, match="nothing to resume"):
        Pair(GSM).sender.resume(0.0, PathOptions())
    pair.reconnect()
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureAborted) and pair.events(PictureDone)))
    assert [event.picture_id for event in pair.events(PictureDone)] == [second]
    assert [(event.picture_id, event.code) for event in pair.events(PictureAborted)] == [(1, Code.CANCELLED)]


def test_too_late() -> None:
    pair = begun(2.0)
    assert pair.sessions.suspended == 1
    due = pair.sessions.next_expiry() or 0.0
    assert due == pytest.approx(pair.now + 120.0)
    pair.now = due
    (failed,) = pair.sessions.expire(pair.now)
    assert isinstance(failed, PictureAborted)
    assert failed.code is Code.DISCONNECTED
    pair.reconnect()
    pair.run(pair.now + 0.5 + 2 * GSM.delay)
    answers = [decode_packet(data) for _, data in pair.receiving.sent]
    assert Err(code=Code.UNKNOWN_SESSION) in answers
    finish(pair)
    assert [event.resumed for event in pair.events(Welcomed)] == [False, False]
    assert told(pair)[-5:] == [OfferReceived, *[SectionReceived] * 3, PictureDone]


def test_another_epoch_is_another_session() -> None:
    pair = begun(2.0)
    pair.replace_sender(
        SenderConnection(
            now=pair.now, credentials=SenderCredentials(stream_id=b"stream", epoch=1), path=PathOptions(rate=GSM.rate)
        )
    )
    pair.greet()
    pair.offer(TEXT)
    finish(pair)
    assert pair.sessions.suspended == 1
    assert told(pair)[-3:] == [OfferReceived, SectionReceived, PictureDone]
    assert [event.epoch for event in pair.events(OfferReceived)] == [0, 1]


def test_a_sender_that_was_started_again_goes_on() -> None:
    """It knows no session any more, but its stream and the picture's number; the table was cut for another link."""
    pair = begun(2.0)
    other = replace(GSM, mtu=115)
    pair.replace_sender(
        SenderConnection(
            now=pair.now,
            credentials=SenderCredentials(stream_id=b"stream"),
            path=PathOptions(rate=GSM.rate, mtu=other.mtu),
        )
    )
    pair.greet()
    pair.sender.offer(b"head", PICTURE, picture_id=1)
    finish(pair)
    assert told(pair) == [OfferReceived, *[SectionReceived] * 3, PictureDone]
    assert [event.payload for event in pair.events(SectionReceived)] == [one.payload for one in PICTURE]


def test_a_link_with_smaller_packets() -> None:
    pair = begun(2.0)
    pair.reconnect(replace(GSM, mtu=115))
    place = len(pair.sending.sent)
    finish(pair)
    assert told(pair) == [OfferReceived, *[SectionReceived] * 3, PictureDone]
    assert max(len(data) for _, data in pair.sending.sent[place:]) <= 115
    assert not any(isinstance(one, Data) and one.section == 0 for one in packets(pair, place))


def test_what_the_application_holds_is_not_told_again() -> None:
    asked: list[tuple[bytes, int, int]] = []

    def held(stream: bytes, epoch: int, image: int) -> bool:
        asked.append((stream, epoch, image))
        return image == 7

    pair = Pair(GSM, stream=b"stream", epoch=3, held=held)
    pair.greet()
    pair.sender.offer(b"head", PICTURE, picture_id=7)
    finish(pair)
    assert asked == [(b"stream", 3, 7)]
    assert told(pair) == []
    assert pair.receiver.held == 0
    # The OFFER, and what was on its way until the word came back.
    assert pair.events(PictureAcknowledged)[0].cost.total < 1500
    pair.sender.offer(b"head", [TEXT], picture_id=5)
    pair.run(pair.now + 60.0, done=lambda: len(pair.events(PictureAcknowledged)) == 2)
    assert [event.picture_id for event in pair.events(PictureDone)] == [5]


def test_the_newest_connection_of_a_sender_wins() -> None:
    """The receiver has not noticed that the old transport is gone."""
    pair = Pair(GSM, stream=b"stream", resumable=True)
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(pair.now + 2.0)
    old, woken = pair.receiver, []
    old.wake = lambda: woken.append(True)
    pair.sender.disconnect(pair.now)
    pair.reconnect()
    finish(pair)
    assert (old.close_code, old.finished, woken) == (Code.REPLACED, False, [True])
    assert decode_packet(old.next_packet(pair.now) or b"") == Err(code=Code.REPLACED)
    assert old.take_events() == []
    assert told(pair) == [OfferReceived, *[SectionReceived] * 3, PictureDone]


def test_another_sender_cannot_take_the_session() -> None:
    pair = begun(2.0)
    thief = SenderConnection(
        now=pair.now, resumable=True, credentials=SenderCredentials(stream_id=b"thief"), path=PathOptions(rate=GSM.rate)
    )
    thief._handshake.session = b"test1"
    pair.replace_sender(thief)
    thief.disconnect(pair.now)
    thief.resume(pair.now, PathOptions(rate=GSM.rate))
    pair.run(pair.now + 5.0)
    assert pair.sessions.suspended == 1
    assert Err(code=Code.UNKNOWN_SESSION) in [decode_packet(data) for _, data in pair.receiving.sent]


@pytest.mark.parametrize("lost", range(4))
def test_resuming_over_a_link_that_loses_packets(lost: int) -> None:
    """Any of HELLO, WELCOME and RESUME may get lost."""
    pair = begun(2.0, reliable=False, limits=Limits(hello_seconds=60.0))
    pair.reconnect(replace(GSM, loss=0.0001))
    up, down = len(pair.sending.sent), len(pair.receiving.sent)
    pair._drop = lambda from_sender, place: (
        place == (up if lost == 0 else -1) if from_sender else place == down + lost - 1
    )
    finish(pair)
    assert told(pair) == [OfferReceived, *[SectionReceived] * 3, PictureDone]
    assert pair.sender.state is State.READY


def test_a_silent_link_suspends() -> None:
    pair = Pair(GSM, stream=b"stream", resumable=True)
    pair.greet()
    pair._drop = lambda _from_sender, _place: True
    pair.sender.offer(b"", [TEXT])
    with pytest.raises((DisconnectedError, RemoteProtocolError), match="nothing arrived from the peer"):
        pair.run(1e4)
    pair.receiver.disconnect(pair.now)
    pair.sender.disconnect(pair.now)
    assert pair.sender.state is State.SUSPENDED
    assert pair.sessions.suspended == 1
    pair._drop = lambda _from_sender, _place: False
    pair.reconnect()
    finish(pair)
    assert told(pair)[-1] is PictureDone


def test_a_sender_that_is_suspended_may_give_up() -> None:
    pair = begun(1.0)
    pair.sender.close()
    assert pair.sender.state is State.CLOSED
    assert [type(event) for event in pair.sender.take_events()][:1] == [PictureRefused]
    with pytest.raises(LocalProtocolError):
        pair.sender.resume(pair.now, PathOptions())


def test_a_cut_before_the_greeting() -> None:
    pair = Pair(GSM, resumable=True)
    pair.cut()
    assert pair.sender.state is State.NEW
    pair.reconnect()
    pair.greet()
    pair.offer(TEXT)
    finish(pair)


def test_suspended_sessions_are_bounded() -> None:
    limits = Limits(suspended=2)
    pair = Pair(GSM, limits=limits)
    for turn in range(4):
        pair.replace_sender(
            SenderConnection(
                now=pair.now,
                credentials=SenderCredentials(stream_id=b"stream%d" % turn),
                path=PathOptions(rate=GSM.rate),
            )
        )
        pair.run(pair.now + 2.0)
        pair.sender.offer(b"", [DETAIL])
        pair.run(pair.now + 1.0)
        pair.cut()
    assert pair.sessions.suspended == 2
    assert [type(event) for event in pair.sessions.expire(pair.now)] == [PictureAborted] * 2
    assert [type(event) for event in pair.sessions.close()] == [PictureAborted] * 2
    assert pair.sessions.next_expiry() is None


def test_a_picture_that_ended_in_order_is_no_session() -> None:
    pair = Pair(GSM, stream=b"stream", resumable=True)
    pair.greet()
    pair.sender.close()
    pair.run(pair.now + 5.0)
    assert pair.sessions.suspended == 0
    assert pair.sessions.next_expiry() is None


def test_resume_tells_of_what_is_complete_and_not_of_what_failed() -> None:
    """The word that a picture is complete may have been lost with the transport, or a packet too small for all."""
    pair = Pair(GSM, stream=b"stream", resumable=True)
    pair.greet()
    pair.offer(TEXT)
    pair.offer(*PICTURE)
    pair._drop = lambda from_sender, _: not from_sender
    pair.run(pair.now + 1.0)
    pair.receiver.decline(2)
    pair.cut()
    pair._drop = lambda _from_sender, _: False
    pair.reconnect()
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureRefused)))
    answers = [decode_packet(data) for _, data in pair.receiving.sent]
    assert [packet.have for packet in answers if isinstance(packet, Resume)] == [(Have(image=1, sections=1),)]
    assert [event.picture_id for event in pair.events(PictureAcknowledged)] == [1]
    assert [event.picture_id for event in pair.events(PictureRefused)] == [2]


def test_resume_tells_as_much_as_a_small_packet_can() -> None:
    small = replace(GSM, mtu=51)
    pair = Pair(small, stream=b"stream", resumable=True)
    pair.greet()
    for number in range(1001, 1009):
        pair.sender.offer(b"", [section(bytes(60), urgency=1), section(bytes(40), urgency=6)], picture_id=number)
    pair.run(pair.now + 1.2)
    pair.cut()
    pair.reconnect()
    pair.run(pair.now + 120.0, done=lambda: len(pair.events(PictureAcknowledged)) == 8)
    (resume,) = [one for _, data in pair.receiving.sent if isinstance(one := decode_packet(data), Resume)]
    assert 0 < len(resume.have) < 8
    assert len(pair.events(PictureDone)) == 8
    assert len(pair.events(SectionReceived)) == 16


def test_a_cancel_that_was_on_its_way() -> None:
    pair = begun(1.0)
    pair.reconnect()
    pair.run(pair.now + 2.0)
    pair.sender.cancel(1, from_layer=3)
    pair.run(pair.now + 0.05)
    pair.cut()
    pair.reconnect()
    finish(pair)
    assert pair.events(PictureAcknowledged)[0].dropped == pair.events(PictureDone)[0].dropped == (2,)


def test_a_link_that_is_too_small_for_what_is_under_way() -> None:
    pair = Pair(GSM, resumable=True, stream=b"s")
    pair.greet()
    pair.offer(*[section(bytes(50), urgency=2)] * 20)
    pair.cut()
    pair.reconnect(replace(GSM, mtu=64))
    pair.run(pair.now + 10.0)
    assert [event.code for event in pair.events(PictureRefused)] == [Code.TOO_LARGE]


def test_pictures_are_numbered_by_their_owner() -> None:
    pair = Pair(GSM)
    pair.greet()
    assert pair.sender.offer(b"", [TEXT], picture_id=40) == 40
    assert pair.sender.offer(b"", [TEXT], picture_id=7) == 7
    assert pair.sender.offer(b"", [TEXT]) == 41
    with pytest.raises(LocalProtocolError, match="picture 7 is being sent already"):
        pair.sender.offer(b"", [TEXT], picture_id=7)
    for number in (0, 2**32):
        with pytest.raises(LocalProtocolError, match="from 1 to 2\\^32 - 1"):
            pair.sender.offer(b"", [TEXT], picture_id=number)
    pair.run(pair.now + 60.0, done=lambda: len(pair.events(PictureDone)) == 3)
    assert sorted(event.picture_id for event in pair.events(PictureDone)) == [7, 40, 41]
