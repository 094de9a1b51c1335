"""A picture on its way out."""

import pytest

from layercast_common.errors import LocalProtocolError
from protocol.recovery.window import PacketSizes
from protocol.sending.pictures.fragmentation import OutgoingSection, PictureToSend
from protocol.sending.pictures.picture import OutgoingPicture
from protocol.sending.scheduler import OFFER
from protocol.wire.encoding import encode_packet
from protocol.wire.limits import MAX_FRAGMENTS, MAX_HEAD, MAX_INLINE, MAX_SECTION, MAX_SECTIONS
from tests.support.connection_pair import section


def picture(*sections: OutgoingSection, head: bytes = b"head", packet: int = 64, mtu: int = 1400) -> OutgoingPicture:
    """A picture, cut for a slow link."""
    picture = PictureToSend(picture_id=1, head=head, sections=sections)
    return OutgoingPicture(picture, PacketSizes(target=packet, mtu=mtu))


def drain(made: OutgoingPicture) -> list[tuple[int, int]]:
    """Send all that there is to send."""
    order = []
    while candidates := list(made.candidates()):
        order.append((candidates[0].section, candidates[0].fragment))
        made.on_packet_sent(candidates[0], size=10)
    return order


def test_the_text_rides_inside_the_offer() -> None:
    made = picture(section(b"a red cat", urgency=0, layer=0), section(bytes(130)))
    assert made.fragmented.offer_packet(1, 0).inline == b"a red cat"
    assert drain(made) == [(OFFER, 0), (1, 0), (1, 1), (1, 2)]


def test_nothing_leaves_before_the_offer() -> None:
    made = picture(section(bytes(100)), section(bytes(100)))
    assert [one.section for one in made.candidates()] == [OFFER]


def test_fragments_are_the_payload_and_fit_the_packet() -> None:
    payload = bytes(range(250)) * 4
    made = picture(section(b"text", urgency=0), section(payload))
    fragments = [made.fragmented.data_packet(9, 1, fragment) for place, fragment in drain(made) if place == 1]
    assert b"".join(packet.payload for packet in fragments) == payload
    assert all(len(encode_packet(packet)) <= 64 for packet in fragments)
    assert {len(packet.payload) for packet in fragments[:-1]} == {made.fragmented.offer_packet(1, 0).fragment_size}


@pytest.mark.parametrize("size", [MAX_INLINE + 1, 5000])
def test_a_text_too_long_for_the_offer_travels_alone(size: int) -> None:
    made = picture(section(bytes(size), urgency=0), packet=1400)
    assert made.fragmented.offer_packet(1, 0).inline == b""
    assert drain(made)[0] == (OFFER, 0)


def test_a_small_link_leaves_the_text_out_rather_than_failing() -> None:
    made = picture(section(bytes(60), urgency=0), section(bytes(9)), mtu=70)
    assert made.fragmented.offer_packet(1, 0).inline == b""
    assert len(encode_packet(made.fragmented.offer_packet(2**32 - 1, 0))) <= 70


def test_what_is_lost_goes_again() -> None:
    made = picture(section(b"text", urgency=0), section(bytes(130)))
    drain(made)
    made.on_packet_lost(1, 2)
    made.on_packet_lost(1, 0)
    made.on_packet_lost(1, 0)
    assert [(one.fragment, one.retransmit) for one in made.candidates()] == [(0, True)]
    assert drain(made) == [(1, 0), (1, 2)]
    made.on_packet_lost(1, 1)
    made.on_packet_acked(1, 1)
    assert drain(made) == []


def test_a_section_is_told_once_when_it_is_whole() -> None:
    made = picture(section(b"text", urgency=0), section(bytes(60)), section(b""))
    drain(made)
    assert made.on_packet_acked(1, 0) == []
    assert made.on_packet_acked(1, 1) == []
    assert made.on_packet_acked(OFFER, 0) == [0, 1, 2]
    assert made.on_packet_acked(OFFER, 0) == []
    assert made.done


def test_the_receivers_word_is_enough() -> None:
    made = picture(section(b"text", urgency=0), section(bytes(60)), section(bytes(60)))
    drain(made)
    assert made.on_sections_acked(0b101) == [0, 2]
    assert not made.done
    assert made.on_sections_acked(0b111) == [1]
    assert made.done


def test_cost() -> None:
    made = picture(section(b"text", urgency=0), section(bytes(60)))
    drain(made)
    assert (made.cost.packets, made.cost.total, made.cost.sections) == (3, 30, (4, 20))


@pytest.mark.parametrize(
    ("sections", "head", "mtu", "why"),
    [
        ((), b"", 1400, "1 to 32 sections, not 0"),
        ((section(b"x"),) * (MAX_SECTIONS + 1), b"", 1400, "1 to 32 sections, not 33"),
        ((section(bytes(MAX_SECTION + 1)),), b"", 1400, "a section is at most 65536 bytes"),
        ((section(b"x"),), bytes(MAX_HEAD + 1), 1400, "a picture's head is at most 256 bytes"),
        ((section(b"x"),) * 20, b"", 115, "OFFER needs [0-9]+ bytes; the link's packets hold 115"),
        ((section(b"x"),), b"", 32, "leaves no room for a picture"),
        ((section(bytes(MAX_SECTION)),), b"", 50, f"more than {MAX_FRAGMENTS} packets"),
    ],
)
def test_what_cannot_be_sent(sections: tuple[OutgoingSection, ...], head: bytes, mtu: int, why: str) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        picture(*sections, head=head, mtu=mtu)
