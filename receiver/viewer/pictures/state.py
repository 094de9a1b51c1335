"""The state of the last pictures, as values: what watchers see, and what a recorded arrival keeps."""

import enum
from dataclasses import dataclass, field

from codec.layer_numbers import Layer
from receiver.change import PictureChange
from receiver.events import PictureOpened
from receiver.viewer.pictures.thumbnails import EncodedImage

#: Default number of remembered pictures. Each holds every frame that was shown, 5 to 20 kB each at 512x512, and a small
#: image per layer: about 200 kB.
HISTORY_LIMIT = 32

#: Limit of variants per picture; beyond it, the oldest is dropped.
MAX_VARIANTS = 8

#: Limit of kept frames per picture; beyond it, every second frame that no level needs is dropped.
MAX_FRAMES = 48


class Status(enum.Enum):
    """The status of a picture."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerState:
    """The state of one layer.

    Attributes:
        layer: the layer.
        sizes: payload bytes of each section, as announced in the offer.
        arrivals: times at which sections were complete, in seconds of the receiver's clock.
        image: the layer as an image; None for text and before arrival.
    """

    layer: Layer
    sizes: tuple[int, ...] = ()
    arrivals: tuple[float, ...] = ()
    image: EncodedImage | None = None

    @property
    def size(self) -> int:
        """Payload bytes of the whole layer."""
        return sum(self.sizes)

    @property
    def arrived_size(self) -> int:
        """Payload bytes received. Sections of a layer arrive in order: each refines the one before."""
        return sum(self.sizes[: len(self.arrivals)])


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameState:
    """A frame that was shown, encoded; fields as in `receiver.rendering.frames.Frame`.

    Attributes:
        at: when it was shown, in seconds of the receiver's clock.
        received: bytes of the picture received by then.
        image: the frame; smaller than the canvas unless it is final.
    """

    layers: frozenset[Layer]
    step: int
    steps: int
    final: bool
    seconds: float
    at: float
    received: int
    image: EncodedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantState:
    """A picture drawn again with changes; fields as in `receiver.events.VariantDrawn`.

    Attributes:
        frame: its newest frame; None before the first.
    """

    number: int
    change: PictureChange
    frame: FrameState | None = None
    notes: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A section was complete.

    Attributes:
        layer: its layer.
        size: bytes of its payload; 0 if it was not announced.
        at: when, in seconds of the receiver's clock.
        received: bytes of the picture received by then, packet framing included.
    """

    layer: Layer
    size: int
    at: float
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalStage:
    """What another format shows of the picture once this many bytes have arrived.

    Attributes:
        name: the format, such as "JPEG".
        fitted: True for a file made for `budget` bytes; False for the first `budget` bytes of an ordinary file.
        budget: bytes available.
        size: bytes of the whole file; at most `budget` if it is fitted.
        at: from when on, in seconds of the receiver's clock.
        image: what its decoder shows; None if it shows nothing.
    """

    name: str
    fitted: bool
    budget: int
    size: int
    at: float
    image: EncodedImage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureState:
    """The state of one picture.

    Attributes:
        opened: the event that opened the picture.
        version: the history's version when this picture last changed.
        layers: announced or arrived layers, by number.
        prompt: the text, once it has arrived.
        shown: the frames that were shown, oldest first, at most `MAX_FRAMES`.
        arrivals: the sections that arrived, oldest first.
        received: bytes received over the wire.
        first_bytes: bytes received when the picture was opened; any other format would have had them as well.
        status: the status.
        ended_at: time of completion or failure, in seconds of the receiver's clock.
        reason: the reason of the failure.
        original: the original, where it is known.
        rivals: what other formats show, by time; needs the original.
        variants: drawings of it with changes, oldest first, at most `MAX_VARIANTS`.
        recorded: whether this is the recording of an earlier arrival.
        autoplay: whether pages play it by themselves.
        stream: the whole `.lcast` stream; empty until the picture is complete.
    """

    opened: PictureOpened
    version: int
    layers: tuple[LayerState, ...]
    prompt: str | None = None
    shown: tuple[FrameState, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    received: int = 0
    first_bytes: float = 0.0
    status: Status = Status.RECEIVING
    ended_at: float | None = None
    reason: str | None = None
    original: EncodedImage | None = None
    rivals: tuple[RivalStage, ...] = ()
    variants: tuple[VariantState, ...] = ()
    recorded: bool = False
    autoplay: bool = False
    stream: bytes = field(default=b"", repr=False)

    @property
    def id(self) -> str:
        """The picture's name in URLs."""
        return self.opened.picture

    @property
    def frames(self) -> tuple[FrameState, ...]:
        """The newest frame of each level; the newest of all is last."""
        newest: dict[frozenset[Layer], FrameState] = {}
        for frame in self.shown:
            newest.pop(frame.layers, None)
            newest[frame.layers] = frame
        return tuple(newest.values())

    def layer(self, layer: Layer) -> LayerState | None:
        """Return the state of a layer; None unless it was announced or arrived."""
        return next((state for state in self.layers if state.layer is layer), None)

    def frame(self, layers: frozenset[Layer] | None = None) -> FrameState | None:
        """Return the newest frame rendered from exactly these layers, or the newest of all."""
        return next((frame for frame in reversed(self.shown) if layers is None or frame.layers == layers), None)

    def image(self, tag: str) -> EncodedImage | None:
        """Return a frame, the original, a rival or a variant by the digest of its bytes; None if there is none."""
        stages = (stage.image for stage in self.rivals)
        variants = (variant.frame.image for variant in self.variants if variant.frame is not None)
        images = (*(frame.image for frame in self.shown), self.original, *stages, *variants)
        return next((image for image in images if image is not None and image.tag == tag), None)


@dataclass(frozen=True, slots=True)
class History:
    """The last pictures, oldest first.

    Attributes:
        limit: the most pictures to hold.
        version: increases with every change.
        pictures: at most `limit` of them.
    """

    limit: int = HISTORY_LIMIT
    version: int = 0
    pictures: tuple[PictureState, ...] = ()

    def picture(self, name: str) -> PictureState | None:
        """Return a picture by name; None if it is unknown or forgotten."""
        return next((picture for picture in self.pictures if picture.id == name), None)

    def changed_since(self, version: int) -> tuple[PictureState, ...]:
        """Return the pictures that changed after a version."""
        return tuple(picture for picture in self.pictures if picture.version > version)
