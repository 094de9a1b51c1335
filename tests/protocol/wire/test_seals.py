"""What is behind every packet, and what somebody who listens and sends can do with it: nothing."""

import hmac
import random

import pytest

from layercast_common.errors import PacketError, RemoteProtocolError, UsageError
from protocol.connection.events import OfferReceived, PictureAcknowledged, PictureDone, Welcomed
from protocol.connection.states import State
from protocol.link_profiles import LINKS
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.wire.codes import Code
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.limits import Limits
from protocol.wire.packets import Bye, Hello, Ping
from protocol.wire.seals import CHECKSUM, NONCE_SIZE, REMEMBERED_NONCES, Mac, SharedKey
from tests.support.connection_pair import Pair, section

SECRET = bytes(range(32))
GSM = LINKS["gsm"]
PICTURE = (section(b"a red cat", urgency=0, layer=0), section(bytes(900), urgency=2))


def key(seed: int = 0, secret: bytes = SECRET) -> SharedKey:
    """A key whose nonces are known."""
    return SharedKey(secret, random=random.Random(seed).randbytes)


def keyed(**options: object) -> Pair:
    """Two ends that know the secret."""
    return Pair(GSM, keys=(key(1), key(2)), **options)  # type: ignore[arg-type]


def test_sealed_packets() -> None:
    seal = Mac(b"k" * 32)
    data = encode_packet(Ping(value=7), seal=seal)
    assert data[-8:] == hmac.digest(b"k" * 32, data[:-8], "sha256")[:8]
    assert decode_packet(data, seal=seal) == Ping(value=7)
    for other in (Mac(b"K" * 32), CHECKSUM):
        with pytest.raises(PacketError):
            decode_packet(data, seal=other)


def test_a_picture_under_a_key() -> None:
    pair = keyed()
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(done=lambda: bool(pair.events(PictureAcknowledged)))
    assert pair.events(PictureDone)
    assert pair.sender.bad_packets == pair.receiver.bad_packets == 0
    assert max(len(data) for _, data in pair.sending.sent) <= pair.sender.statistics.packet_size + 8


def test_every_session_has_keys_of_its_own() -> None:
    shared = key()
    seals = [shared.hello(), shared.welcome(b"a"), shared.welcome(b"b")]
    seals += [shared.session(*nonces, role) for nonces in ((b"a", b"b"), (b"b", b"a"), (b"ab", b"")) for role in (0, 1)]
    assert len({seal.sign(b"packet") for seal in seals}) == len(seals)


@pytest.mark.parametrize("keys", [(key(), None), (None, key()), (key(), key(secret=b"x" * 16))])
def test_who_does_not_know_the_secret_is_not_answered(keys: tuple[SharedKey | None, SharedKey | None]) -> None:
    pair = Pair(GSM, keys=keys, limits=Limits(hello_seconds=60.0), reliable=False)
    pair.run(5.0)
    assert pair.receiving.sent == []
    assert pair.receiver.bad_packets >= 1
    assert pair.events(Welcomed) == []


def test_a_recorded_greeting_is_dropped_in_silence() -> None:
    pair = keyed()
    pair.greet()
    recorded = pair.sending.sent[0][1]
    again = ReceiverConnection(session=b"other", now=pair.now, options=ReceiverOptions(key=pair._key))
    again.receive(recorded, pair.now)
    assert again.next_packet(pair.now) is None
    assert again.state is State.NEW


def test_a_recorded_session_is_worth_nothing_to_another_receiver() -> None:
    """One that was started again knows no nonces of before; it answers, and then believes nothing."""
    pair = keyed()
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(done=lambda: bool(pair.events(PictureAcknowledged)))
    pair.sender.close()
    pair.run(pair.now + 2.0)
    fresh = ReceiverConnection(
        session=b"other", now=0.0, options=ReceiverOptions(key=key(3), limits=Limits(bad_packets=1000))
    )
    for _, data in pair.sending.sent:
        fresh.receive(data, 0.0)
    assert [type(event) for event in fresh.take_events()] == []
    assert fresh.bad_packets == len(pair.sending.sent) - 1
    assert fresh.state is State.READY


def test_replayed_and_returned_packets_change_nothing() -> None:
    pair = keyed(limits=Limits(bad_packets=1000))
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(done=lambda: bool(pair.events(PictureAcknowledged)))
    told = len(pair.events(OfferReceived)), len(pair.events(PictureDone))
    said, answered = list(pair.sending.sent), list(pair.receiving.sent)
    for _, data in (*said, *answered):
        pair.receiver.receive(data, pair.now)
    pair.run(pair.now + 5.0)
    assert (len(pair.events(OfferReceived)), len(pair.events(PictureDone))) == told
    assert pair.sender.state is pair.receiver.state is State.READY
    # What it said itself is a forgery when it comes back.
    assert pair.receiver.bad_packets == len(answered)


def test_a_wrong_token_is_told_under_the_key() -> None:
    pair = keyed(token="secret", shown_token="other")
    with pytest.raises(RemoteProtocolError, match="the token is wrong"):
        pair.run(5.0)
    pair.sender.receive(pair.receiver.next_packet(pair.now) or b"", pair.now)
    assert pair.sender.close_code is Code.AUTHENTICATION


def test_nobody_else_can_say_goodbye() -> None:
    pair = keyed()
    pair.greet()
    for seal in (CHECKSUM, key().hello()):
        pair.sender.receive(encode_packet(Bye(), seal=seal), pair.now)
    assert pair.sender.state is State.READY
    assert pair.sender.bad_packets == 2


def test_nonces() -> None:
    shared = SharedKey(SECRET)
    assert len(shared.nonce()) == NONCE_SIZE
    assert shared.nonce() != shared.nonce()
    assert not shared.is_fresh(b"short")
    assert shared.is_fresh(b"12345678")
    assert not shared.is_fresh(b"12345678")
    for number in range(REMEMBERED_NONCES):
        assert shared.is_fresh(number.to_bytes(NONCE_SIZE))
    assert len(shared._seen) == REMEMBERED_NONCES


def test_a_short_secret() -> None:
    with pytest.raises(UsageError, match="at least 16 bytes, not 15"):
        SharedKey(bytes(15))


def test_greetings_fit_small_links() -> None:
    hello = Hello(versions=1, stream=bytes(6), rate=250, nonce=bytes(8), resume=bytes(4), max_packet=51)
    assert len(encode_packet(hello, limit=51, seal=key().hello())) <= 51


def test_a_recorded_greeting_takes_no_session_over() -> None:
    """Even of a receiver that has forgotten its nonces: only who can go on under the new key is believed."""
    pair = keyed(stream=b"stream", resumable=True)
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(pair.now + 1.0)
    recorded, live = pair.sending.sent[0][1], pair.receiver
    intruder = ReceiverConnection(
        session=b"other", now=pair.now, options=ReceiverOptions(key=key(9), sessions=pair.sessions)
    )
    intruder.receive(recorded, pair.now)
    assert intruder.next_packet(pair.now) is not None
    intruder.disconnect(pair.now)
    assert live.state is State.READY
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    assert len(pair.events(PictureDone)) == 1
    assert pair.sessions.suspended == 0


def test_resuming_under_a_key() -> None:
    pair = keyed(stream=b"stream", resumable=True)
    pair.greet()
    pair.offer(*PICTURE)
    pair.run(pair.now + 1.0)
    pair.cut()
    pair.reconnect()
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    assert [event.resumed for event in pair.events(Welcomed)] == [False, True]
    assert len(pair.events(OfferReceived)) == len(pair.events(PictureDone)) == 1


def test_a_recorded_broadcast_is_no_conversation() -> None:
    sender = Pair(GSM, keys=(key(1), key(1)), one_way=True).sender
    said = sender.next_packet(0.0) or b""
    made = ReceiverConnection(session=b"s", now=0.0, options=ReceiverOptions(key=key(2)))
    made.receive(said, 0.0)
    assert (made.bad_packets, made.state) == (1, State.NEW)
