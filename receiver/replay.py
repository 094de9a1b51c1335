"""Replays a stored stream as the events of its arrival, to render it as if it arrived again."""

import asyncio
import contextlib

from codec.container.bitstream import Bitstream
from layercast_common.errors import LayercastError
from protocol.connection.events import OfferReceived, PictureDone, SectionInfo, SectionReceived
from receiver.archive import ArchiveWriter
from receiver.pipeline import Pipeline

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


async def redraw(pipeline: Pipeline, archive: ArchiveWriter) -> None:
    """Render the archived streams that were not rendered before, one at a time: new pictures are more urgent."""
    number = 0
    async for archived, stream in archive.undrawn():
        number += 1
        offer = offer_of(stream, number)
        if (picture := pipeline.open(offer, archived.label)) is None:
            continue
        for event in sections_of(stream, number):
            await pipeline.accept_event(event)
        done = PictureDone(session=offer.session, picture_id=number, received=len(stream.to_bytes()))
        # The stream may have been evicted, and storing it again fails: the archive has logged it.
        with contextlib.suppress(LayercastError):
            await pipeline.accept_event(done)
        if picture.rendering:
            rendering = asyncio.shield(asyncio.wrap_future(picture.rendering))
            await asyncio.gather(rendering, return_exceptions=True)
