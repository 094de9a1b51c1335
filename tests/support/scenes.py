"""Receiver events of a small picture, with real priors and synthetic frames."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from codec.layers import ColorMap, EdgeMap, Layer, Priors, Semantic, Size
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels
from receiver.events import (
    Event,
    FrameRendered,
    LayerArrived,
    PictureCompleted,
    PictureFailed,
    PictureOpened,
    SectionSize,
)
from receiver.rendering.frames import Frame
from tests.support.pictures import draw_picture

SIZES = {Layer.SEMANTIC: 60, Layer.STRUCTURE: 300, Layer.TEXTURE: 80}


@dataclass(frozen=True)
class Scene:
    """A picture with one size, prompt and link, and its events; times count from `at`."""

    name: str = "p1"
    prompt: str = "a red barn under a wide sky"
    canvas: Size = (96, 64)
    rate: float = 2400.0
    jpeg_size: int = 38_200
    at: float = 100.0
    sections: tuple[SectionSize, ...] = field(
        default=tuple(SectionSize(layer=layer, size=size) for layer, size in SIZES.items())
    )
    plane: Plane | None = None

    @property
    def priors(self) -> Priors:
        rows, columns = self.canvas[1] // 8, self.canvas[0] // 8
        grid = np.zeros((rows, columns), np.bool_)
        grid[rows // 2] = True
        colors = np.zeros((2, 3, 3), np.uint8)
        colors[0] = (120, 160, 220)
        colors[1] = (160, 40, 30)
        return Priors(
            self.canvas,
            semantic=Semantic(self.prompt),
            structure=EdgeMap(grid, self.canvas),
            texture=ColorMap(colors, self.canvas),
            plane=self.plane,
        )

    def opened(self) -> PictureOpened:
        return PictureOpened(
            picture=self.name,
            canvas=self.canvas,
            model="mini",
            seed=7,
            sections=self.sections,
            rate=self.rate,
            jpeg_size=self.jpeg_size,
            at=self.at,
        )

    @classmethod
    def with_planes(cls) -> "Scene":
        """Return a picture of text, colours and two sections of detail."""
        coefficients = forward(to_channels(draw_picture(96, 64)))
        sizes = ((Layer.SEMANTIC, 60), (Layer.TEXTURE, 200), (Layer.DETAIL, 300), (Layer.DETAIL, 500))
        return cls(
            sections=tuple(SectionSize(layer=layer, size=size) for layer, size in sizes),
            plane=Plane.of(coefficients, np.full(coefficients.shape, 5, np.int8)),
        )

    def layer(self, layer: Layer, after: float = 0.0, received: int = 75) -> LayerArrived:
        priors = self.priors.only(known for known in Layer if known <= layer)
        return LayerArrived(picture=self.name, layer=layer, priors=priors, received=received, at=self.at + after)

    def frame(
        self, *layers: Layer, after: float = 1.0, step: int = 4, steps: int = 4, shade: int | None = None
    ) -> FrameRendered:
        """Return a plain frame; frames differ in their shade of grey."""
        grey = step * 10 if shade is None else shade
        frame = Frame(
            image=Image.new("RGB", self.canvas, (grey, grey, grey)),
            layers=frozenset(layers or (Layer.SEMANTIC,)),
            step=step,
            steps=steps,
            final=step == steps,
            seconds=after,
        )
        return FrameRendered(picture=self.name, frame=frame, at=self.at + after)

    def completed(self, after: float = 3.0, received: int = 480) -> PictureCompleted:
        return PictureCompleted(picture=self.name, received=received, at=self.at + after)

    def failed(self, reason: str = "the sender went away", after: float = 3.0) -> PictureFailed:
        return PictureFailed(picture=self.name, reason=reason, at=self.at + after)

    def whole(self) -> list[Event]:
        """Return all events of a picture that arrives without errors."""
        text, lines, colours = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE
        return [
            self.opened(),
            self.layer(text, 0.0, 75),
            self.frame(text, after=0.5, shade=10),
            self.layer(lines, 1.0, 390),
            self.frame(text, lines, after=1.5, shade=20),
            self.layer(colours, 1.3, 480),
            self.frame(text, lines, colours, after=2.5, shade=30),
            self.completed(),
        ]
