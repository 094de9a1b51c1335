"""The open pictures of a sender, from the offer to their end, and the events on the way."""

from collections.abc import Iterator

from layercast_common.errors import LocalProtocolError
from protocol.connection.events import (
    PictureAcknowledged,
    PictureRefused,
    PictureRequested,
    PictureSent,
    SectionAcknowledged,
    SenderEvent,
)
from protocol.recovery.path import NetworkPath
from protocol.sending.cancel_queue import CancelQueue
from protocol.sending.pictures.picture import OutgoingPicture
from protocol.wire.codes import Code
from protocol.wire.fields import indices_of
from protocol.wire.limits import ALL_SECTIONS
from protocol.wire.packets import Want


class OpenPictures:
    """The pictures that are offered and not finished.

    Attributes:
        by_id: the pictures, by their numbers, in the order of their offers.
        last_id: the highest number so far.
        cancels: the CANCEL packets to send.
    """

    def __init__(self) -> None:
        self.by_id: dict[int, OutgoingPicture] = {}
        self.last_id = 0
        self.cancels = CancelQueue()
        self._events: list[SenderEvent] = []

    def __iter__(self) -> Iterator[OutgoingPicture]:
        return iter(list(self.by_id.values()))

    def take_events(self) -> list[SenderEvent]:
        """Return the events since the last call, in order."""
        events, self._events = self._events, []
        return events

    def add(self, picture: OutgoingPicture) -> None:
        """Add a picture.

        Raises:
            LocalProtocolError: a picture of this number is open.
        """
        number = picture.picture_id
        if number in self.by_id:
            raise LocalProtocolError(f"picture {number} is being sent already")
        self.by_id[number] = picture
        self.last_id = max(self.last_id, number)

    def find_wanted(self, want: Want) -> OutgoingPicture | None:
        """Return the picture of a WANT; emit PictureRequested if it is not open."""
        picture = self.by_id.get(want.image or max(self.by_id, default=0))
        if picture is None:
            sections = tuple(indices_of(want.sections.to_bytes(4, "little")))
            self._events.append(PictureRequested(picture_id=want.image, sections=sections))
        return picture

    def may_cancel(self, picture_id: int) -> bool:
        """Return whether CANCEL may be sent: for sections of an open picture, only after its OFFER."""
        return picture_id not in self.by_id or self.by_id[picture_id].offered

    def cancel(self, picture_id: int, code: Code, from_layer: int, now: float) -> None:
        """Cancel a picture, or its layers from one on, and announce it to the receiver; ignored if it is finished."""
        picture = self.by_id.get(picture_id)
        if picture is None:
            return
        mask = picture.mask_from(from_layer)
        if mask == picture.mask_from(0):
            self.cancels.add(picture_id, ALL_SECTIONS)
            self.end(picture_id, code)
        else:
            self._drop_sections(picture, mask, now)

    def end(self, picture_id: int, code: Code) -> None:
        """End a picture that is not delivered."""
        picture = self.by_id.pop(picture_id, None)
        if picture is not None:
            self._events.append(PictureRefused(picture_id=picture_id, code=code, cost=picture.cost))

    def end_all(self, code: Code) -> None:
        """End every picture."""
        for picture_id in list(self.by_id):
            self.end(picture_id, code)

    def finish_sent(self, picture: OutgoingPicture, now: float) -> None:
        """End a picture that was sent over a one-way link."""
        del self.by_id[picture.picture_id]
        self._events.append(PictureSent(picture_id=picture.picture_id, at=now, cost=picture.cost))

    def on_progress(self, picture: OutgoingPicture, sections: list[int], now: float) -> None:
        """Emit the events for newly complete sections, and end the picture if it is done."""
        number = picture.picture_id
        self._events.extend(SectionAcknowledged(picture_id=number, index=index, at=now) for index in sections)
        if picture.done and number in self.by_id:
            del self.by_id[number]
            event = PictureAcknowledged(picture_id=number, at=now, cost=picture.cost, dropped=picture.dropped)
            self._events.append(event)

    def expire(self, now: float) -> bool:
        """Start the lifetimes of new pictures, and cancel what has expired; return whether anything was cancelled."""
        cancelled = False
        for picture in self:
            picture.lifetimes.start(now)
            if now >= picture.picture.deadline:
                self.cancel(picture.picture_id, Code.EXPIRED, 0, now)
                cancelled = True
            elif now >= picture.next_expiry():
                cancelled |= self._drop_sections(picture, picture.lifetimes.expired(now), now)
        return cancelled

    def reset(self) -> None:
        """Prepare for another transport: nothing is known to have arrived."""
        for picture in self:
            # The next receiver may have restarted and may not know the cancelled sections.
            if dropped := picture.reset():
                self.cancels.add(picture.picture_id, dropped)

    def refragment(self, path: NetworkPath) -> None:
        """Fragment the pictures again whose packets are too large for a link; end those that do not fit."""
        for picture in self:
            if picture.fragmented.largest <= path.mtu:
                continue
            try:
                picture.refragment(path.packet_sizes(picture.picture.size))
            except LocalProtocolError:
                self.end(picture.picture_id, Code.TOO_LARGE)

    def _drop_sections(self, picture: OutgoingPicture, mask: int, now: float) -> bool:
        dropped = picture.drop(mask)
        if dropped:
            self.cancels.add(picture.picture_id, dropped)
            self.on_progress(picture, [], now)
        return dropped != 0
