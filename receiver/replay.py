"""Replays a stored stream as the events of its arrival, to render it as if it arrived again."""

from codec.container.bitstream import Bitstream
from protocol.connection.events import OfferReceived, SectionInfo, SectionReceived

#: Session name of stored streams. Sessions of senders have hexadecimal names.
SESSION = "archive"


def offer_of(stream: Bitstream, number: int) -> OfferReceived:
    """Return the offer of a stored stream, as picture `number` of the session."""
    return OfferReceived(
        session=SESSION,
        picture_id=number,
        head=stream.header.to_bytes(),
        sections=tuple(
            SectionInfo(
                layer=int(section.layer),
                coder=int(section.coder),
                urgency=0,
                incremental=False,
                size=len(section.payload),
            )
            for section in stream.sections
        ),
        jpeg_size=0,
        rate=0,
        received=0,
    )


def sections_of(stream: Bitstream, number: int) -> list[SectionReceived]:
    """Return one event per section; `received` counts the bytes of the stream so far."""
    events = []
    received = len(stream.header.to_bytes())
    for index, section in enumerate(stream.sections):
        received += len(section.to_bytes())
        events.append(
            SectionReceived(
                session=SESSION,
                picture_id=number,
                index=index,
                layer=int(section.layer),
                coder=int(section.coder),
                payload=section.payload,
                received=received,
            )
        )
    return events
