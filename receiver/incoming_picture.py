"""A picture under way: what came of it, and how far its drawing is."""

import logging
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.layers import Layer
from layercast_common.errors import UsageError
from receiver.events import PictureOpened, SectionSize
from receiver.rendering.frames import Frame
from receiver.server import OfferReceived, SectionReceived

_KNOWN_LAYERS = frozenset(map(int, Layer))
_KNOWN_CODERS = frozenset(map(int, Coder))

_log = logging.getLogger("receiver.pipeline")


@dataclass(eq=False, slots=True)
class IncomingPicture:
    """A picture under way.

    Attributes:
        name: our own name of it: its label in the archive.
        header: canvas, seed and model.
        began: when its first packet came.
        heard_at: when something of it came last, in seconds of the receiver's clock.
        sections: those that are complete, by their place in the stream.
        received: bytes of it that came over the wire so far.
        drawing: its last drawing, under way or done.
        delivered: whether all of it came.
        shown: whether a frame of it was.
    """

    name: str
    header: Header
    began: datetime
    heard_at: float = 0.0
    sections: dict[int, Section] = field(default_factory=dict)
    received: int = 0
    drawing: Future[Frame] | None = None
    delivered: bool = False
    shown: bool = False

    @property
    def stream(self) -> Bitstream:
        """What came, in the sender's order."""
        return Bitstream(self.header, tuple(self.sections[index] for index in sorted(self.sections)))

    def opened(self, offer: OfferReceived) -> PictureOpened:
        """The event that tells what its offer announces."""
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
            at=self.heard_at,
        )

    def add(self, section: SectionReceived) -> bool:
        """Keep a section, and tell whether this version knows what it says."""
        self.received = section.received
        if section.layer in _KNOWN_LAYERS and section.coder in _KNOWN_CODERS:
            known = Section(Layer(section.layer), Coder(section.coder), section.payload)
            self.sections[section.index] = known
            return True
        try:
            self.sections[section.index] = Section(section.layer, section.coder, section.payload)
        except UsageError as error:
            # Numbers that the wire has room for, and files have not.
            _log.warning("picture %s: %s", self.name, error)
        return False

    def wants(self, frame: Frame) -> bool:
        """Whether a frame is better than what is shown.

        Of a picture that is drawn again for a new layer, the first rough frames look worse than what is there.
        """
        return not self.shown or frame.final or 2 * frame.step >= frame.steps
