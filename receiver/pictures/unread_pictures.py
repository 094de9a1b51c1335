"""Pictures in progress whose header this version cannot read: the archive keeps their bytes for one that can."""

from dataclasses import dataclass, field
from datetime import datetime

from codec.container.bitstream import Section, join_stream
from layercast_common.errors import BitstreamError
from layercast_common.steady_clock import steady_now
from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, ReceiverEvent, SectionReceived
from receiver.archive import ArchiveWriter
from receiver.pictures.incoming_picture import section_of


@dataclass(eq=False, slots=True)
class _UnreadPicture:
    """One of the pictures: its label in the archive, its header's bytes, and the sections received so far."""

    name: str
    head: bytes
    arrived: datetime
    sections: dict[int, Section] = field(default_factory=dict)


class UnreadPictures:
    """The pictures of all sessions that are stored without being read.

    Args:
        archive: stores them.
    """

    def __init__(self, archive: ArchiveWriter) -> None:
        self._archive = archive
        self._open: dict[tuple[str, int], _UnreadPicture] = {}

    def open(self, offer: OfferReceived, name: str) -> bool:
        """Keep a picture if there is an archive; return whether there is one."""
        if self._archive.keeps:
            self._open[offer.session, offer.picture_id] = _UnreadPicture(name, offer.head, steady_now())
        return self._archive.keeps

    async def accept_event(self, event: ReceiverEvent) -> bool:
        """Process an event; return whether it belongs to one of these pictures.

        Raises:
            ArchiveError: a complete picture cannot be stored, so it must not be acknowledged.
            BitstreamError: a stream cannot hold one of its sections, so it must be refused.
        """
        key = (event.session, event.picture_id)
        picture = self._open.get(key)
        if picture is None or isinstance(event, OfferReceived):
            return False
        match event:
            case SectionReceived():
                try:
                    picture.sections[event.index] = section_of(event)
                except BitstreamError:
                    del self._open[key]
                    raise
            case PictureDone():
                del self._open[key]
                sections = [picture.sections[index] for index in sorted(picture.sections)]
                await self._archive.store(picture.name, picture.arrived, join_stream(picture.head, sections))
            case PictureAborted():
                del self._open[key]
        return True
