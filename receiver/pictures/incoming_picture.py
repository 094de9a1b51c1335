"""A picture in progress: the sections received so far, and its rendering."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.container.sections import without_gaps
from codec.layers import Layer
from layercast_common.errors import BitstreamError, UsageError
from layercast_common.steady_clock import steady_now
from protocol.connection.events import OfferReceived, SectionReceived
from receiver.events import PictureOpened, SectionSize
from receiver.rendering.frames import Frame

_KNOWN_LAYERS = frozenset(map(int, Layer))
_KNOWN_CODERS = frozenset(map(int, Coder))


@dataclass(eq=False, slots=True)
class IncomingPicture:
    """A picture in progress.

    Attributes:
        name: the receiver's name of the picture: its label in the archive.
        header: canvas, seed and model.
        arrived: time of its first packet.
        updated_at: time of its last packet, in seconds of the receiver's clock.
        planes: indices of the announced sections of bit planes; each of them decodes only after those before it.
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
    planes: frozenset[int] = frozenset()
    sections: dict[int, Section] = field(default_factory=dict)
    received: int = 0
    rendering: Future[Frame] | None = None
    delivered: bool = False
    shown: bool = False

    @classmethod
    def of(cls, offer: OfferReceived, name: str, header: Header, now: float) -> "IncomingPicture":
        """Build the picture of an offer that arrives now, in seconds of the receiver's clock."""
        planes = frozenset(index for index, section in enumerate(offer.sections) if section.coder == Coder.PLANES)
        return cls(name, header, steady_now(), now, planes)

    @property
    def stream(self) -> Bitstream:
        """The complete sections, in the sender's order, without bit planes that follow a missing one."""
        return Bitstream(self.header, without_gaps(self.sections, self.planes - self.sections.keys()))

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
            guess=self.header.guess,
        )

    def add(self, section: SectionReceived) -> list[Layer]:
        """Add a section.

        Returns:
            The layers of the sections that can be decoded now and could not before, in the sender's order: none if this
            version does not know the section's coder, or if it is a bit plane and one before it is missing; several if
            bit planes waited for this one.

        Raises:
            BitstreamError: a stream cannot hold the section: the wire carries larger layer and coder numbers.
        """
        self.received = section.received
        if section.layer in _KNOWN_LAYERS and section.coder in _KNOWN_CODERS:
            before = self.stream.sections
            known = Section(Layer(section.layer), Coder(section.coder), section.payload)
            self.sections[section.index] = known
            # Two sections may be equal, so they are compared by identity.
            return [Layer(new.layer) for new in self.stream.sections if not any(new is old for old in before)]
        self.sections[section.index] = section_of(section)
        return []

    def improves(self, frame: Frame) -> bool:
        """Return whether a frame is better than the shown one.

        When a picture is rendered again for a new layer, the first half of the frames look worse than the last one.
        """
        return not self.shown or frame.final or 2 * frame.step >= frame.steps


def section_of(section: SectionReceived) -> Section:
    """Return a received section as a stream holds it.

    Raises:
        BitstreamError: a stream cannot hold it: the wire carries larger layer and coder numbers.
    """
    try:
        return Section(section.layer, section.coder, section.payload)
    except UsageError as error:
        raise BitstreamError(str(error)) from error
