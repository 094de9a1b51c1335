"""What a connection tells its owner. All are frozen; none holds more than the limits allow."""

from dataclasses import dataclass

from protocol.wire.codes import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionInfo:
    """One section as its offer announces it.

    Attributes:
        layer: the layer's number.
        coder: the number of the payload's format.
        urgency: 0 comes first, 7 last.
        incremental: whether any prefix of the payload is of use.
        size: the payload, in bytes.
    """

    layer: int
    coder: int
    urgency: int
    incremental: bool
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReceived:
    """A picture begins.

    Attributes:
        session: the receiver's name of the connection.
        image: the sender's number of the picture; with `stream` and `epoch` it names the picture for ever.
        head: the picture's header, opaque to the protocol.
        sections: what will come, in the stream's order.
        jpeg_size: bytes of a JPEG of the original as the sender told it; 0 if unknown.
        rate: the link's rate as the sender told it, in bit/s; 0 if unknown.
        received: bytes of the picture that came over the wire so far, packet framing included.
        stream: the sender's id, which outlives its connections; empty if it has none.
        epoch: tells one numbering of the stream's pictures from another.
    """

    session: str
    picture_id: int
    head: bytes
    sections: tuple[SectionInfo, ...]
    jpeg_size: int
    rate: int
    received: int
    stream_id: bytes = b""
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionReceived:
    """A section is complete and its check is right. Each section of a picture is told exactly once.

    Attributes:
        session, image, received: as in `OfferReceived`.
        index: the section's place in the stream.
        layer, coder: as announced.
        payload: the section's bytes.
    """

    session: str
    picture_id: int
    index: int
    layer: int
    coder: int
    payload: bytes
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureDone:
    """Every section of a picture is complete, but those in `dropped`, which the sender gave up."""

    session: str
    picture_id: int
    received: int
    dropped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAborted:
    """A picture will not become complete; what came of it stays of use. `reason` is one line for a person."""

    session: str
    picture_id: int
    code: Code
    reason: str
    received: int


ReceiverEvent = OfferReceived | SectionReceived | PictureDone | PictureAborted


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcomed:
    """The receiver took us in; pictures may be offered. `resumed`: it still knows the session."""

    session: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """The transport is gone; the pictures wait for another one (`SenderConnection.resume`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionAcknowledged:
    """The receiver holds a whole section. `at` is when we learnt it, in seconds of the connection's clock."""

    picture_id: int
    index: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a picture has cost on the wire.

    Attributes:
        packets: packets sent for it, repeated ones included.
        total: their bytes.
        sections: for each section the bytes of the packets that carried it; of an OFFER, the payload inside it.
    """

    packets: int
    total: int
    sections: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAcknowledged:
    """The receiver holds every section of a picture, but those in `dropped`. `at` is as in `SectionAcknowledged`."""

    picture_id: int
    at: float
    cost: Cost
    dropped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSent:
    """All of a picture left over a link that goes one way; nobody will tell whether it arrived."""

    picture_id: int
    at: float
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRefused:
    """A picture was given up, by either side."""

    picture_id: int
    code: Code
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The receiver asks for a picture that is not open here (0: the newest). Offer it again to answer."""

    picture_id: int
    sections: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The connection ended, for whatever reason; nothing comes after. Come back after `retry` seconds."""

    code: Code
    retry: int = 0


SenderEvent = (
    Welcomed | Suspended | SectionAcknowledged | PictureAcknowledged | PictureSent | PictureRefused | Wanted | Closed
)
Event = ReceiverEvent | SenderEvent
