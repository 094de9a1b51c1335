"""Tracks the pictures that a sender has in flight: acknowledged sections, and the outcome of each picture."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from layercast_common.tasks import notify
from protocol.connection.events import (
    Cost,
    Event,
    PictureAcknowledged,
    PictureRefused,
    PictureSent,
    SectionAcknowledged,
)
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.wire.codes import Code
from sender.connection.delivery import Delivery, Progress, SectionDelivery

Outcome = PictureAcknowledged | PictureSent | PictureRefused


class Tracked:
    """One picture in flight.

    Args:
        sections: the sections, as offered to the connection.
        began: when `send` was called, in seconds of the connection's clock.
        on_progress: called for each acknowledged section.
    """

    def __init__(
        self, sections: Sequence[OutgoingSection], began: float, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self._sections = sections
        self._began = began
        self._on_progress = on_progress
        self._acknowledged: dict[int, float] = {}
        #: The picture's outcome; an error if the connection failed.
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def apply(self, event: SectionAcknowledged | Outcome) -> None:
        """Apply an event of this picture."""
        if not isinstance(event, SectionAcknowledged):
            if not self.outcome.done():
                self.outcome.set_result(event)
        elif event.index not in self._acknowledged:
            self._acknowledged[event.index] = event.at - self._began
            notify(self._on_progress, self._progress(event), what=f"picture {event.picture_id}")

    def delivery(self, outcome: Outcome, *, session: str, now: float) -> Delivery:
        """Build the delivery report.

        Args:
            outcome: the picture's outcome.
            session: the receiver's name of the session.
            now: the current time, in seconds of the connection's clock.
        """
        dropped = outcome.dropped if isinstance(outcome, PictureAcknowledged) else ()
        ended = now if isinstance(outcome, PictureRefused) else outcome.at
        cost: Cost = outcome.cost
        return Delivery(
            picture_id=outcome.picture_id,
            session=session,
            complete=isinstance(outcome, PictureAcknowledged) and not dropped,
            sections=tuple(
                SectionDelivery(
                    layer=int(section.layer),
                    size=len(section.payload),
                    sent=cost.sections[index],
                    acknowledged=None if index in dropped else self._acknowledged.get(index),
                )
                for index, section in enumerate(self._sections)
            ),
            packets=cost.packets,
            sent=cost.total,
            seconds=ended - self._began,
        )

    def _progress(self, event: SectionAcknowledged) -> Progress:
        return Progress(
            picture_id=event.picture_id,
            index=event.index,
            layer=int(self._sections[event.index].layer),
            done=len(self._acknowledged),
            total=len(self._sections),
            seconds=event.at - self._began,
        )


class Tracker:
    """The pictures that one connection has in flight, by picture id."""

    def __init__(self) -> None:
        self._tracked: dict[int, Tracked] = {}

    @contextlib.contextmanager
    def tracking(self, picture_id: int, tracked: Tracked) -> Iterator[None]:
        """Track a picture within the block."""
        self._tracked[picture_id] = tracked
        try:
            yield
        finally:
            del self._tracked[picture_id]

    def apply(self, event: Event) -> None:
        """Apply an event to the picture that it belongs to; other events are ignored."""
        if isinstance(event, SectionAcknowledged | PictureAcknowledged | PictureSent | PictureRefused):
            tracked = self._tracked.get(event.picture_id)
            if tracked is not None:
                tracked.apply(event)

    def fail(self, error: Exception) -> None:
        """End every picture in flight with an error."""
        for tracked in self._tracked.values():
            if not tracked.outcome.done():
                tracked.outcome.set_exception(error)


def refused_for(outcome: Outcome, *codes: Code) -> bool:
    """Return whether a picture was refused for one of these reasons."""
    return isinstance(outcome, PictureRefused) and outcome.code in codes
