"""Frames: the renderer's output."""

from dataclasses import dataclass

from PIL import Image

from codec.layers import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One rendered picture, as good as the layers and steps so far allow.

    Attributes:
        image: RGB, at canvas size.
        layers: the received layers that it was rendered from.
        step: denoising steps done for it, from 1.
        steps: denoising steps of the whole run.
        final: whether this is the last frame of its run, fully denoised.
        seconds: time since the engine admitted the picture, in seconds.
    """

    image: Image.Image
    layers: frozenset[Layer]
    step: int
    steps: int
    final: bool
    seconds: float

    @property
    def level(self) -> Layer:
        """The highest layer that the frame was rendered from; SEMANTIC if there was none."""
        return max(self.layers, default=Layer.SEMANTIC)
