"""Delivery reports: the result of `Sender.send`, and its progress."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionDelivery:
    """Delivery report of one section.

    Attributes:
        layer: the layer's number.
        size: size of the payload, in bytes.
        sent: bytes of the packets that carried it, retransmissions included; in the first packet, its payload only.
        acknowledged: when the receiver acknowledged the section, in seconds since `send` was called; None if it did
            not.
    """

    layer: int
    size: int
    sent: int
    acknowledged: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Delivery report of one picture.

    Attributes:
        picture_id: the picture's number, unique within the sender's stream and epoch.
        session: the receiver's name of the session.
        complete: whether the receiver has the whole picture; false if its lifetime ended first.
        sections: the sections, in the stream's order.
        packets: packets sent for the picture, retransmissions included.
        sent: size of these packets, in bytes.
        seconds: time from the call of `send` to the last acknowledgement, in seconds.
    """

    picture_id: int
    session: str
    complete: bool
    sections: tuple[SectionDelivery, ...]
    packets: int
    sent: int
    seconds: float

    def size_of(self, layer: int | None) -> int:
        """Return the bytes on the wire of a layer; of None, those of no layer: the first packet's table and framing."""
        if layer is None:
            return self.sent - sum(section.sent for section in self.sections)
        return sum(section.sent for section in self.sections if section.layer == layer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The receiver acknowledged one more section of a picture.

    Attributes:
        picture_id: the picture's number.
        index: the section's place in the stream.
        layer: the number of its layer.
        done: acknowledged sections so far.
        total: sections of the picture.
        seconds: time since `send` was called, in seconds.
    """

    picture_id: int
    index: int
    layer: int
    done: int
    total: int
    seconds: float
