"""What the renderer gives: frames, each a picture as good as the layers and steps so far allow."""

from dataclasses import dataclass

from PIL import Image

from codec.layers import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A picture to show to a person.

    Attributes:
        image: RGB, at canvas size.
        layers: the layers it was rendered from.
        step: denoising steps done for it, from 1.
        steps: denoising steps of the whole run.
        final: whether this is the last frame of its run, fully denoised.
        seconds: engine time since the job was taken up, in seconds.
    """

    image: Image.Image
    layers: frozenset[Layer]
    step: int
    steps: int
    final: bool
    seconds: float

    @property
    def level(self) -> Layer:
        """The highest layer that the frame was rendered from."""
        return max(self.layers, default=Layer.SEMANTIC)
