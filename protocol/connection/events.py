"""The events of connections. All are immutable, and the limits bound their size."""

from dataclasses import dataclass

from protocol.wire.codes import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionInfo:
    """A section as the OFFER announces it.

    Attributes:
        layer: the layer's number.
        coder: the number of the payload's format.
        urgency: 0 comes first, 7 last (RFC 9218).
        incremental: whether any prefix of the payload is useful.
        size: size of the payload, in bytes.
    """

    layer: int
    coder: int
    urgency: int
    incremental: bool
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReceived:
    """The OFFER of a new picture arrived.

    Attributes:
        session: the receiver's id of the session, in hexadecimal.
        picture_id: the sender's number of the picture; unique with `stream_id` and `epoch`.
        head: the picture's header, opaque to the protocol.
        sections: the announced sections, in the stream's order.
        jpeg_size: size of a JPEG of the original as announced by the sender, in bytes; 0 if unknown.
        rate: the link's rate as announced by the sender, in bit/s; 0 if unknown.
        received: bytes of the picture received so far, packet framing included.
        stream_id: the sender's id, which outlives its connections; empty if it has none.
        epoch: distinguishes numberings of the sender's pictures.
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
    """A section is complete and its check is correct. Emitted exactly once for each section of a picture.

    Attributes:
        session, picture_id, received: as in `OfferReceived`.
        index: the section's index in the stream.
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
    """Every section of a picture is complete, except those in `dropped`, which were cancelled."""

    session: str
    picture_id: int
    received: int
    dropped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAborted:
    """A picture ended incomplete; the sections received stay valid. `reason` is one line for people."""

    session: str
    picture_id: int
    code: Code
    reason: str
    received: int


ReceiverEvent = OfferReceived | SectionReceived | PictureDone | PictureAborted


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcomed:
    """The receiver accepted the connection; pictures may be offered. `resumed`: it still knows the session."""

    session: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """The transport is gone; the pictures wait for another one, see `SenderConnection.resume`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionAcknowledged:
    """The receiver holds a complete section. `at` is the time of the ACK, in seconds of the connection's clock."""

    picture_id: int
    index: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a picture on the wire.

    Attributes:
        packets: packets sent for it, retransmissions included.
        total: their size, in bytes.
        sections: for each section, the bytes of the packets that carried it; for an OFFER, the payload inside it.
    """

    packets: int
    total: int
    sections: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAcknowledged:
    """The receiver holds every section of a picture except those in `dropped`. `at` is as in `SectionAcknowledged`."""

    picture_id: int
    at: float
    cost: Cost
    dropped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSent:
    """All of a picture was sent over a one-way link, which has no acknowledgement."""

    picture_id: int
    at: float
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRefused:
    """Either side ended a picture that is not delivered."""

    picture_id: int
    code: Code
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequested:
    """The receiver requests a picture that is not open here (0: the newest). The owner may offer it again."""

    picture_id: int
    sections: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The connection closed; the last event. Reconnect after `retry` seconds."""

    code: Code
    retry: int = 0


SenderEvent = (
    Welcomed
    | Suspended
    | SectionAcknowledged
    | PictureAcknowledged
    | PictureSent
    | PictureRefused
    | PictureRequested
    | Closed
)
Event = ReceiverEvent | SenderEvent
