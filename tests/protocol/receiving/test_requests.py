"""What a receiver may ask for: sections again, another order, less."""

import pytest

from layercast_common.errors import LocalProtocolError
from protocol.connection.events import (
    PictureAborted,
    PictureAcknowledged,
    PictureDone,
    PictureRefused,
    PictureRequested,
    SectionReceived,
)
from protocol.link_profiles import LINKS
from protocol.receiving.requests import MAX_REQUEST_TIMEOUT, MAX_REQUESTS, Requests
from protocol.sending.priority_overrides import MAX_OVERRIDES, PriorityOverrides
from protocol.wire.codes import Code
from protocol.wire.encoding import decode_packet
from protocol.wire.packets import ALL_LAYERS, Ack, Cancel, Data, Err, Offer, Packet, Prio, Want
from tests.support.connection_pair import Pair, section

IRIDIUM = LINKS["iridium"]
TEXT = section(b"a red cat", urgency=0, layer=0)
LINES = section(bytes(range(250)), urgency=2, layer=1)
COLOURS = section(bytes(range(90)), urgency=3, layer=2)
DETAIL = section(bytes(3000), urgency=6, layer=3)


def ready(*sections: object, **options: object) -> Pair:
    """A pair with a picture under way."""
    pair = Pair(IRIDIUM, **options)  # type: ignore[arg-type]
    pair.greet()
    pair.offer(*sections)  # type: ignore[arg-type]
    return pair


def packets(pair: Pair, since: int = 0) -> list[Packet]:
    """What the sender sent from a place on."""
    return [packet for _, data in pair.sending.sent[since:] if (packet := decode_packet(data)) is not None]


def test_another_order() -> None:
    pair = ready(TEXT, LINES, COLOURS)
    pair.receiver.prioritise(1, layer=2)
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureDone)))
    pair.offer(TEXT, LINES, COLOURS)
    pair.run(pair.now + 60.0, done=lambda: len(pair.events(PictureDone)) == 2)
    assert [event.index for event in pair.events(SectionReceived)][3:] == [0, 2, 1]
    assert any(isinstance(packet, Ack) for packet in packets(pair))
    pair.run(pair.now + 20.0)
    assert [type(decode_packet(data)) for _, data in pair.receiving.sent].count(Prio) == 1


def test_detail_at_once_for_one_picture() -> None:
    pair = ready(TEXT, LINES, DETAIL)
    second = pair.offer(TEXT, LINES, DETAIL)
    pair.receiver.prioritise(0, picture_id=1)
    pair.run(pair.now + 120.0, done=lambda: bool(pair.events(PictureDone)))
    assert [event.picture_id for event in pair.events(PictureDone)] == [1]
    assert second == 2


def test_wishes() -> None:
    wishes = PriorityOverrides()
    assert wishes.urgency_of(1, 3, 6) == 6
    for image, layer, urgency in ((0, ALL_LAYERS, 5), (0, 3, 4), (1, ALL_LAYERS, 3), (1, 3, 2), (9, 3, 7)):
        wishes.add(Prio(number=1, image=image, layer=layer, urgency=urgency), {1})
    assert [wishes.urgency_of(1, 3, 6), wishes.urgency_of(1, 2, 6)] == [2, 3]
    assert [wishes.urgency_of(2, 3, 6), wishes.urgency_of(2, 2, 6), wishes.urgency_of(9, 3, 6)] == [4, 5, 4]


def test_wishes_are_bounded() -> None:
    wishes = PriorityOverrides()
    for image in range(1, 3 * MAX_OVERRIDES):
        wishes.add(Prio(number=image, image=image, layer=0, urgency=1), {image})
        assert len(wishes._urgencies) <= MAX_OVERRIDES
    assert wishes.urgency_of(3 * MAX_OVERRIDES - 1, 0, 6) == 1


def test_fragments_again() -> None:
    """The link promised to lose nothing, and lost two fragments: nobody but the receiver can know."""
    pair = Pair(IRIDIUM)
    pair.greet()
    first = len(pair.sending.sent)
    pair._drop = lambda from_sender, place: from_sender and place in (first + 1, first + 3)
    pair.offer(TEXT, LINES)
    pair.run(pair.now + 10.0)
    assert pair.events(PictureDone) == []
    place = len(pair.sending.sent)
    pair.receiver.request_sections(1, [1], [0, 2])
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    assert [packet.fragment for packet in packets(pair, place) if isinstance(packet, Data)] == [0, 2]
    assert len(pair.events(PictureDone)) == 1


def test_the_newest_offer_again() -> None:
    pair = ready(TEXT, DETAIL)
    pair.run(pair.now + 2.0)
    place = len(pair.sending.sent)
    pair.receiver.request_sections()
    pair.run(pair.now + 5.0)
    assert [packet.image for packet in packets(pair, place) if isinstance(packet, Offer)] == [1]


def test_what_is_not_held_any_more() -> None:
    pair = ready(TEXT)
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    pair.receiver.request_sections(1, [0, 3])
    pair.receiver.request_sections()
    pair.run(pair.now + 20.0)
    assert pair.events(PictureRequested) == [
        PictureRequested(picture_id=1, sections=(0, 3)),
        PictureRequested(picture_id=0, sections=()),
    ]
    assert [packet for packet in packets(pair) if isinstance(packet, Err)] == [Err(code=Code.NOT_HELD, image=1)]


def test_a_request_is_repeated_until_it_is_heard() -> None:
    pair = ready(TEXT, LINES, DETAIL, reliable=False)
    first = len(pair.receiving.sent)
    pair._drop = lambda from_sender, place: not from_sender and place == first
    pair.receiver.prioritise(7, layer=1)
    pair.run(pair.now + 30.0)
    asked = [packet for _, data in pair.receiving.sent if isinstance(packet := decode_packet(data), Prio)]
    assert asked == [Prio(number=1, image=0, layer=1, urgency=7)] * 2


def test_declining_layers() -> None:
    pair = ready(TEXT, LINES, DETAIL)
    pair.run(pair.now + 4.0)
    pair.receiver.decline(1, from_layer=3)
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureAcknowledged)))
    (done,), (told,) = pair.events(PictureDone), pair.events(PictureAcknowledged)
    assert done.dropped == told.dropped == (2,)
    assert told.cost.total < 1700
    assert pair.sender.open_pictures == 0


def test_declining_a_picture() -> None:
    pair = ready(TEXT, DETAIL)
    pair.run(pair.now + 3.0)
    pair.receiver.decline(1)
    pair.run(pair.now + 10.0)
    assert [event.code for event in pair.events(PictureAborted)] == [Code.CANCELLED]
    assert [event.code for event in pair.events(PictureRefused)] == [Code.CANCELLED]


@pytest.mark.parametrize("reliable", [True, False])
def test_cancelling_layers(reliable: bool) -> None:
    pair = ready(TEXT, LINES, COLOURS, DETAIL, reliable=reliable)
    pair.run(pair.now + 1.0)
    if not reliable:
        first = len(pair.sending.sent)
        pair._drop = lambda from_sender, place: from_sender and place == first
    pair.sender.cancel(1, from_layer=2)
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureAcknowledged) and pair.events(PictureDone)))
    (done,), (told,) = pair.events(PictureDone), pair.events(PictureAcknowledged)
    assert done.dropped == told.dropped == (2, 3)
    assert [event.index for event in pair.events(SectionReceived)] == [0, 1]
    assert {packet.sections for packet in packets(pair) if isinstance(packet, Cancel)} == {0b1100}
    pair.run(pair.now + 20.0)
    assert pair.sender.statistics.bytes_in_flight == 0


def test_a_layer_that_is_out_of_time() -> None:
    """It is dropped when it would leave; everything else of the picture arrives."""
    pair = ready(TEXT, LINES, section(bytes(3000), urgency=6, layer=3, lifetime=5.0), COLOURS)
    pair.run(pair.now + 60.0, done=lambda: bool(pair.events(PictureAcknowledged) and pair.events(PictureDone)))
    assert pair.events(PictureDone)[0].dropped == pair.events(PictureAcknowledged)[0].dropped == (2,)
    assert sorted(event.index for event in pair.events(SectionReceived)) == [0, 1, 3]
    assert pair.events(PictureAcknowledged)[0].cost.sections[2] < 1200


def test_a_picture_whose_time_is_over_ends_at_the_receiver_too() -> None:
    """Though the sender cannot tell it: the OFFER did."""
    pair = Pair(IRIDIUM)
    pair.greet()
    pair.sender.offer(b"", [TEXT, DETAIL], deadline=pair.now + 4.0)
    pair.run(pair.now + 3.0)
    pair._drop = lambda from_sender, _: from_sender
    pair.run(pair.now + 15.0)
    assert [event.code for event in pair.events(PictureAborted)] == [Code.EXPIRED]
    assert pair.receiver.held == 0


def test_nothing_can_be_asked_before_the_greeting() -> None:
    with pytest.raises(LocalProtocolError, match="a request cannot be sent"):
        Pair(IRIDIUM).receiver.prioritise(1)


def numbers(requests: Requests, now: float) -> list[int]:
    """Those that leave at a moment."""
    sent = []
    while (request := requests.take_due(now)) is not None:
        assert isinstance(request, Want)
        sent.append(request.number)
    return sent


def test_waiting_requests_are_bounded() -> None:
    requests = Requests()
    for _ in range(100):
        requests.add(Want(number=requests.next_number, image=1, sections=1))
    assert numbers(requests, 0.0) == list(range(101 - MAX_REQUESTS, 101))
    requests.on_ack_received(Ack(largest=100, missing=0b10))
    assert numbers(requests, 10.0) == [98]
    waits = []
    now = 10.0
    for _ in range(8):
        waits.append(requests.next_timer() - now)
        now = requests.next_timer()
        requests.take_due(now)
    assert waits[-1] == MAX_REQUEST_TIMEOUT
