"""How pictures travelled: what `Sender.send` gives and tells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionDelivery:
    """How one section travelled.

    Attributes:
        layer: the layer's number.
        size: its payload, in bytes.
        sent: bytes of the packets that carried it, repeated ones included; of the first packet, the payload inside it.
        acknowledged: when the receiver said that it holds it, in seconds since the picture was handed over; None if it
            never did.
    """

    layer: int
    size: int
    sent: int
    acknowledged: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a picture travelled.

    Attributes:
        image: the picture's number in this session.
        session: the receiver's name of the connection.
        complete: whether all of it arrived; false where its deadline passed.
        sections: in the stream's order.
        packets: packets sent for it, repeated ones included.
        sent: their bytes.
        seconds: from handing it over to the last acknowledgement, in seconds.
    """

    image: int
    session: str
    complete: bool
    sections: tuple[SectionDelivery, ...]
    packets: int
    sent: int
    seconds: float

    def size_of(self, layer: int | None) -> int:
        """Bytes on the wire for a layer; of None, those of no layer: the first packet's table and framing."""
        if layer is None:
            return self.sent - sum(section.sent for section in self.sections)
        return sum(section.sent for section in self.sections if section.layer == layer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One more section of a picture is at the receiver.

    Attributes:
        image: the picture's number in this session.
        index: the section's place in the stream.
        layer: its layer's number.
        done: sections at the receiver so far.
        total: sections of the picture.
        seconds: since the picture was handed over, in seconds.
    """

    image: int
    index: int
    layer: int
    done: int
    total: int
    seconds: float
