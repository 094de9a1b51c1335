"""Pictures on their way, as the calls that send them see them."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from protocol.connection.events import (
    Cost,
    Event,
    PictureAcknowledged,
    PictureRefused,
    PictureSent,
    SectionAcknowledged,
)
from protocol.sending.fragmentation import OutgoingSection
from protocol.wire.codes import Code
from sender.connection.delivery import Delivery, Progress, SectionDelivery

Outcome = PictureAcknowledged | PictureSent | PictureRefused


class Tracked:
    """One picture on its way.

    Args:
        sections: as they were offered.
        began: when it was handed over, in seconds of the connection's clock.
        on_progress: told of every section that arrives.
    """

    def __init__(
        self, sections: Sequence[OutgoingSection], began: float, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self._sections = sections
        self._began = began
        self._on_progress = on_progress
        self._acknowledged: dict[int, float] = {}
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def take(self, event: SectionAcknowledged | Outcome) -> None:
        """Note what happened to it."""
        if not isinstance(event, SectionAcknowledged):
            if not self.outcome.done():
                self.outcome.set_result(event)
        elif event.index not in self._acknowledged:
            self._acknowledged[event.index] = event.at - self._began
            if self._on_progress is not None:
                self._on_progress(self._progress(event))

    def delivery(self, outcome: Outcome, *, session: str, now: float) -> Delivery:
        """How it travelled, up to how it ended."""
        dropped = outcome.dropped if isinstance(outcome, PictureAcknowledged) else ()
        ended = now if isinstance(outcome, PictureRefused) else outcome.at
        cost: Cost = outcome.cost
        return Delivery(
            image=outcome.picture_id,
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
            image=event.picture_id,
            index=event.index,
            layer=int(self._sections[event.index].layer),
            done=len(self._acknowledged),
            total=len(self._sections),
            seconds=event.at - self._began,
        )


class Tracker:
    """The pictures of one connection that are on their way."""

    def __init__(self) -> None:
        self._tracked: dict[int, Tracked] = {}

    @contextlib.contextmanager
    def tracking(self, image: int, tracked: Tracked) -> Iterator[None]:
        """Follow a picture for the time of the block."""
        self._tracked[image] = tracked
        try:
            yield
        finally:
            del self._tracked[image]

    def take(self, event: Event) -> None:
        """Pass an event on to the picture that it is about."""
        if isinstance(event, SectionAcknowledged | PictureAcknowledged | PictureSent | PictureRefused):
            tracked = self._tracked.get(event.picture_id)
            if tracked is not None:
                tracked.take(event)


def refused_for(outcome: Outcome, *codes: Code) -> bool:
    """Whether a picture was given up for one of these reasons."""
    return isinstance(outcome, PictureRefused) and outcome.code in codes
