"""Links that go one way, or too far to ask again: repair instead of repetition."""

import itertools
import random
from collections import Counter

import pytest

from layercast_common.errors import LocalProtocolError
from protocol.connection.events import (
    Closed,
    OfferReceived,
    PictureAborted,
    PictureAcknowledged,
    PictureDone,
    PictureSent,
    SectionReceived,
)
from protocol.connection.states import State
from protocol.link_profiles import LINKS, LinkProfile
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.sending.probe_timers import BROADCAST_HELLO_SECONDS
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.limits import Limits
from protocol.wire.packets import Ack, Data, Hello, Offer, Packet, Repair
from protocol.wire.seals import SharedKey
from tests.support.connection_pair import Pair, section

LINK = LinkProfile(name="one way", rate=9600, delay=0.1, mtu=222)
TEXT = section(b"an old red lighthouse", urgency=0, layer=0)
LINES = section(random.Random(1).randbytes(540), urgency=2, layer=1)
COLOURS = section(random.Random(2).randbytes(45), urgency=3, layer=2)
DETAIL = section(random.Random(3).randbytes(3000), urgency=6, layer=3)
PICTURE = (TEXT, LINES, COLOURS, DETAIL)


def broadcast(loss: float = 0.0, seed: int = 0, **options: object) -> Pair:
    """A picture that was sent to whoever listens."""
    link = LinkProfile(name="x", rate=LINK.rate, delay=LINK.delay, mtu=LINK.mtu, loss=loss)
    pair = Pair(link, seed=seed, reliable=False, one_way=True, stream=b"sea", **options)  # type: ignore[arg-type]
    pair.sender.offer(b"head", PICTURE)
    pair.run(60.0, done=lambda: bool(pair.events(PictureSent)))
    pair.run(pair.now + 5.0)
    return pair


def packets(pair: Pair) -> list[Packet]:
    """What the sender sent."""
    return [packet for _, data in pair.sending.sent if (packet := decode_packet(data)) is not None]


def test_nothing_comes_back() -> None:
    pair = broadcast()
    assert pair.receiving.sent == []
    (sent,) = pair.events(PictureSent)
    assert sent.cost.total == sum(len(data) for _, data in pair.sending.sent[1:])
    assert pair.sender.open_pictures == pair.sender.statistics.bytes_in_flight == 0
    assert [type(event) for _, event in pair.receiving.events] == [OfferReceived, *[SectionReceived] * 4, PictureDone]
    assert [event.rate for event in pair.events(OfferReceived)] == [9600]
    with pytest.raises(LocalProtocolError):
        pair.receiver.request_sections()


def test_the_rate_is_kept_though_nobody_acknowledges() -> None:
    pair = broadcast()
    seconds = pair.sending.sent[-1][0] - pair.sending.sent[0][0]
    assert 8 * sum(len(data) for _, data in pair.sending.sent[:-1]) / seconds < 1.05 * 9600


def test_protection_by_layer() -> None:
    """What others stand on is sent with much repair, detail with little."""
    sent = packets(broadcast())
    assert sum(isinstance(packet, Offer) for packet in sent) == 3
    data = Counter(packet.section for packet in sent if isinstance(packet, Data))
    repair = Counter(packet.section for packet in sent if isinstance(packet, Repair))
    assert repair[1] / data[1] > 2 * repair[3] / data[3] > 0
    assert repair[2] >= data[2]


@pytest.mark.parametrize(
    ("loss", "least"), [(0.05, (1.0, 0.95, 0.75)), (0.1, (0.98, 0.93, 0.6)), (0.2, (0.97, 0.8, 0.2))]
)
def test_the_base_survives_what_the_detail_does_not(loss: float, least: tuple[float, float, float]) -> None:
    runs = 60
    whole = Counter[str]()
    for seed in range(runs):
        pair = broadcast(loss, seed)
        arrived = {event.index for event in pair.events(SectionReceived)}
        whole["text"] += 0 in arrived
        whole["base"] += arrived >= {0, 1, 2}
        whole["detail"] += 3 in arrived
    shares = tuple(whole[name] / runs for name in ("text", "base", "detail"))
    assert all(share >= bound for share, bound in zip(shares, least, strict=True)), shares


@pytest.mark.parametrize("shuffle", range(5))
def test_any_enough_pieces_give_the_section(shuffle: int) -> None:
    """In any order, with OFFER last, and some of them twice."""
    pair = broadcast()
    rng = random.Random(shuffle)
    made = ReceiverConnection(session=b"w", one_way=True, stream_id=b"sea", now=0.0)
    sent = [packet for packet in packets(pair) if not isinstance(packet, Hello)]
    lines = [packet for packet in sent if getattr(packet, "section", None) == 1]
    count = sum(isinstance(packet, Data) for packet in lines)
    rng.shuffle(lines)
    offer = next(packet for packet in sent if isinstance(packet, Offer))
    for packet in [*lines[:count], *lines[: count // 2], offer, offer]:
        made.receive(encode_packet(packet), 0.0)
    told = made.take_events()
    assert [type(event) for event in told] == [OfferReceived, SectionReceived, SectionReceived]
    assert isinstance(told[2], SectionReceived)
    assert told[2].payload == LINES.payload
    assert made.next_packet(0.0) is None
    assert made.next_wakeup() is None


def test_a_watcher_comes_late_and_packets_jump() -> None:
    """No greeting is needed, numbers count backwards, and what it cannot understand is passed over."""
    pair = broadcast()
    made = ReceiverConnection(session=b"w", one_way=True, stream_id=b"sea", now=0.0)
    for packet in [Ack(largest=1), *reversed([one for one in packets(pair) if not isinstance(one, Hello)])]:
        made.receive(encode_packet(packet), 0.0)
    assert isinstance(made.take_events()[-1], PictureDone)
    assert made.state is State.READY
    made.tick(1e6)
    assert made.state is State.READY
    made.close()
    assert made.finished


def test_repair_that_lies_poisons() -> None:
    pair = broadcast()
    made = ReceiverConnection(session=b"w", one_way=True, now=0.0)
    sent = packets(pair)
    offer = next(packet for packet in sent if isinstance(packet, Offer))
    repair = next(packet for packet in sent if isinstance(packet, Repair) and packet.section == 1)
    wrong = Repair(repair.pn, repair.image, 1, repair.group, repair.index, bytes(len(repair.payload)))
    made.receive(encode_packet(offer), 0.0)
    made.receive(encode_packet(wrong), 0.0)
    for packet in [one for one in sent if isinstance(one, Data) and one.section == 1][1:]:
        made.receive(encode_packet(packet), 0.0)
    assert isinstance(made.take_events()[-1], PictureAborted)


@pytest.mark.parametrize(("group", "size"), [(99, 208), (0, 1), (0, 209)])
def test_repair_that_does_not_fit(group: int, size: int) -> None:
    pair = broadcast()
    made = ReceiverConnection(session=b"w", one_way=True, now=0.0)
    made.receive(encode_packet(next(packet for packet in packets(pair) if isinstance(packet, Offer))), 0.0)
    made.receive(encode_packet(Repair(9, 1, 1, group, 0, bytes(size))), 0.0)
    assert isinstance(made.take_events()[-1], PictureAborted)


def test_repair_is_held_within_bounds() -> None:
    limits = Limits(peer_bytes=4000)
    pair = broadcast()
    made = ReceiverConnection(session=b"w", one_way=True, now=0.0, options=ReceiverOptions(limits=limits))
    offer = next(packet for packet in packets(pair) if isinstance(packet, Offer))
    made.receive(encode_packet(offer), 0.0)
    for index in range(200):
        made.receive(encode_packet(Repair(9, 1, 3, 0, index, bytes(offer.fragment_size))), 0.0)
        assert made.held <= limits.peer_bytes


def test_who_it_is_is_said_again_and_again() -> None:
    pair = Pair(LinkProfile(name="slow", rate=490, mtu=192), one_way=True)
    pair.sender.offer(b"", [DETAIL])
    pair.run(200.0, done=lambda: bool(pair.events(PictureSent)))
    greetings = [at for at, data in pair.sending.sent if isinstance(decode_packet(data), Hello)]
    assert len(greetings) > 3
    assert all(later - earlier >= BROADCAST_HELLO_SECONDS for earlier, later in itertools.pairwise(greetings))


def test_a_broadcast_hears_nothing_and_waits_for_nobody() -> None:
    made = SenderConnection(now=0.0, path=PathOptions(one_way=True))
    made.receive(encode_packet(Ack(largest=9)), 0.0)
    made.tick(1e6)
    assert made.state is State.READY
    made.close()
    assert decode_packet(made.next_packet(0.0) or b"") is not None
    assert isinstance(made.take_events()[-1], Closed)


def test_a_broadcast_under_a_key() -> None:
    keys = (SharedKey(b"k" * 16), SharedKey(b"k" * 16))
    pair = broadcast(keys=keys)
    assert pair.events(PictureDone)
    assert pair.receiver.bad_packets == 0


def test_a_long_way_deserves_repair_and_a_short_one_does_not() -> None:
    """Where asking again takes longer than sending it all, repair is sent along with it."""
    shares = {}
    for delay in (0.05, 8.0):
        link = LinkProfile(name="far", rate=9600, delay=delay, mtu=222, loss=0.1)
        pair = Pair(link, seed=4, limits=Limits(hello_seconds=600.0))
        pair.greet()
        for _ in range(6):
            done = len(pair.events(PictureAcknowledged))
            pair.offer(TEXT, LINES)
            pair.run(pair.now + 900.0, done=lambda pair=pair, done=done: len(pair.events(PictureAcknowledged)) > done)  # type: ignore[misc]
        sent = packets(pair)
        shares[delay] = sum(isinstance(one, Repair) for one in sent) / sum(isinstance(one, Data) for one in sent)
    assert shares[0.05] == 0
    assert shares[8.0] > 0.2


def test_the_text_is_sent_twice_where_packets_get_lost() -> None:
    """From a loss of 3 % on, and not on a link that loses less."""
    for every, copies in ((10, 2), (1000, 1)):
        pair = Pair(LINKS["gsm"], reliable=False)
        pair.greet()
        pair._drop = lambda from_sender, place, every=every: from_sender and place % every == every - 1  # type: ignore[misc]
        pair.offer(section(bytes(20_000)))
        pair.run(600.0, done=lambda pair=pair: bool(pair.events(PictureAcknowledged)))  # type: ignore[misc]
        assert pair.sender.statistics.loss is not None
        assert (pair.sender.statistics.loss > 0.03) == (copies == 2)
        number = pair.offer(TEXT, LINES)
        pair.run(pair.now + 0.5)
        offers = [packet for packet in packets(pair) if isinstance(packet, Offer) and packet.image == number]
        assert len(offers) == copies


def test_another_broadcaster_on_the_same_link() -> None:
    """What the old one began will not go on."""
    made = ReceiverConnection(session=b"w", one_way=True, stream_id=b"sea", now=0.0)
    offer = next(packet for packet in packets(broadcast()) if isinstance(packet, Offer))
    for greeting, epoch in ((Hello(1, b"sea"), 0), (Hello(1, b"sea", epoch=1), 1)):
        made.receive(encode_packet(greeting), 0.0)
        made.receive(encode_packet(offer), 0.0)
        told = made.take_events()
        assert [type(event) for event in told] == [PictureAborted] * epoch + [OfferReceived, SectionReceived]
        (offered,) = [event for event in told if isinstance(event, OfferReceived)]
        assert (offered.stream_id, offered.epoch) == (b"sea", epoch)
    made.disconnect(0.0)
    assert [type(event) for event in made.take_events()] == [PictureAborted]
