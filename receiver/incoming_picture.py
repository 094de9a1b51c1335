"""A picture in progress: the sections received so far, and its rendering."""

import logging
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.layers import Layer
from layercast_common.errors import UsageError
from protocol.connection.events import OfferReceived, SectionReceived
from receiver.events import PictureOpened, SectionSize
from receiver.rendering.frames import Frame

_KNOWN_LAYERS = frozenset(map(int, Layer))
_KNOWN_CODERS = frozenset(map(int, Coder))

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class IncomingPicture:
    """A picture in progress.

    Attributes:
        name: the receiver's name of the picture: its label in the archive.
        header: canvas, seed and model.
        arrived: time of its first packet.
        updated_at: time of its last packet, in seconds of the receiver's clock.
        sections: complete sections by their index in the stream.
        received: bytes received over the wire so far.
        rendering: the newest rendering, running or done; None before the first.
        delivered: whether all sections arrived.
        shown: whether a frame was shown.
    """

    name: str
    header: Header
    arrived: datetime
    updated_at: float = 0.0
    sections: dict[int, Section] = field(default_factory=dict)
    received: int = 0
    rendering: Future[Frame] | None = None
    delivered: bool = False
    shown: bool = False

    @property
    def stream(self) -> Bitstream:
        """The complete sections, in the sender's order."""
        return Bitstream(self.header, tuple(self.sections[index] for index in sorted(self.sections)))

    def opened(self, offer: OfferReceived) -> PictureOpened:
        """Return the event for the picture's offer."""
        return PictureOpened(
            picture=self.name,
            canvas=self.header.canvas,
            model=self.header.model,
            seed=self.header.seed,
            sections=tuple(
                SectionSize(layer=Layer(section.layer), size=section.size)
                for section in offer.sections
                if section.layer in _KNOWN_LAYERS
            ),
            rate=offer.rate,
            jpeg_size=offer.jpeg_size,
            at=self.updated_at,
        )

    def add(self, section: SectionReceived) -> bool:
        """Add a section, and return whether this version can decode it."""
        self.received = section.received
        if section.layer in _KNOWN_LAYERS and section.coder in _KNOWN_CODERS:
            known = Section(Layer(section.layer), Coder(section.coder), section.payload)
            self.sections[section.index] = known
            return True
        try:
            self.sections[section.index] = Section(section.layer, section.coder, section.payload)
        except UsageError as error:
            # The wire carries larger layer and coder numbers than the file format.
            _log.warning("picture %s: %s", self.name, error)
        return False

    def improves(self, frame: Frame) -> bool:
        """Return whether a frame is better than the shown one.

        When a picture is rendered again for a new layer, the first half of the frames look worse than the last one.
        """
        return not self.shown or frame.final or 2 * frame.step >= frame.steps
