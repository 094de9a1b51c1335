"""JSON schema of `/api/pictures`, of the live channel and of recorded arrivals. Times in seconds, sizes in bytes."""

from typing import Literal

import msgspec

LayerName = Literal["semantic", "structure", "texture", "detail"]


class LayerView(msgspec.Struct, frozen=True, kw_only=True):
    """A layer: bytes announced and arrived; times of its first and newest section, from the first packet on."""

    name: LayerName
    size: int
    arrived_size: int
    sections: int
    arrived_sections: int
    first_at: float | None
    last_at: float | None
    image: str | None


class FrameView(msgspec.Struct, frozen=True, kw_only=True):
    """A frame: its URL, the layers that it was rendered from, the denoising step, and when it was shown."""

    url: str
    layers: list[LayerName]
    step: int
    steps: int
    final: bool
    seconds: float
    at: float
    received: int


class LevelView(msgspec.Struct, frozen=True, kw_only=True):
    """A set of layers to render from; `adds` are the layers that the level before lacks."""

    layers: list[LayerName]
    adds: list[LayerName]
    size: int
    frame: FrameView | None


class JpegView(msgspec.Struct, frozen=True, kw_only=True):
    """A JPEG of the original on the same link: its size, its transfer time, and the bytes of it in the first packet."""

    size: int
    rate: float
    seconds: float
    first_bytes: float


class ArrivalView(msgspec.Struct, frozen=True, kw_only=True):
    """A section was complete: its layer, its payload bytes, and the bytes received by then."""

    layer: LayerName
    size: int
    at: float
    received: int


class VariantView(msgspec.Struct, frozen=True, kw_only=True):
    """The picture drawn again with changes.

    Attributes:
        number: the variant's number.
        layers: the layers that it is drawn from only; None for all.
        prompt, seed, steps: what differs; None for what stays.
        notes: remarks on what was changed besides.
        reason: why it failed; None if it did not.
        frame: its newest frame.
    """

    number: int
    layers: list[LayerName] | None
    prompt: str | None
    seed: int | None
    steps: int | None
    notes: list[str]
    reason: str | None
    frame: FrameView | None


class PictureView(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. `opened_at` is in seconds of the receiver's clock, as `StateView.now`; other times count from it."""

    id: str
    width: int
    height: int
    model: str
    seed: int
    rate: float
    opened_at: float
    ended_at: float | None
    status: str
    reason: str | None
    prompt: str | None
    guess: str | None
    received: int
    announced: int
    bits_per_pixel: float
    jpeg: JpegView | None
    layers: list[LayerView]
    levels: list[LevelView]
    frame: FrameView | None
    arrivals: list[ArrivalView]
    frames: int
    rivals: int
    has_original: bool
    variants: list[VariantView]
    recorded: bool
    autoplay: bool


class RivalView(msgspec.Struct, frozen=True, kw_only=True):
    """What another format shows from a moment on; fields as in `receiver.viewer.pictures.state.RivalStage`."""

    name: str
    fitted: bool
    budget: int
    size: int
    at: float
    url: str | None


class TimelineView(msgspec.Struct, frozen=True, kw_only=True):
    """How one picture arrived: every kept frame, by time since the first packet.

    Attributes:
        id: the picture.
        duration: from the first packet to the newest frame, section or end.
        received: bytes received.
        frames: the frames that were shown.
        original: URL of the original; None if it is unknown.
        rivals: what other formats show; empty if the original is unknown.
    """

    id: str
    duration: float
    received: int
    frames: list[FrameView]
    original: str | None
    rivals: list[RivalView]


class AboutView(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver.

    Attributes:
        now: the receiver's clock.
        address: the URL for senders, if known.
        archive: whether there is an archive to search.
        speed: how fast the page replays recorded arrivals.
        controls: what visitors may do: redraw, link, send.
        note: one line about what is going on, such as what is being loaded.
    """

    now: float
    address: str | None = None
    archive: bool = False
    controls: list[str] = []
    speed: float = 1.0
    note: str | None = None


class StateView(AboutView, frozen=True, kw_only=True):
    """All pictures, or the changed ones, oldest first.

    Attributes:
        limit: number of remembered pictures.
        pictures: the pictures.
    """

    limit: int
    pictures: list[PictureView]
