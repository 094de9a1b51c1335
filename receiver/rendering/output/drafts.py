"""Frames that are due: what the device must still decode, and how the pixels then become a frame."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from receiver.rendering.frames import Frame
from receiver.rendering.output.decoding import decode_pixels
from receiver.rendering.output.finishing import FrameRecipe

if TYPE_CHECKING:
    from torch import Tensor

    from receiver.rendering.models.model import Model


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class FrameDraft:
    """A frame that is due; either its latents or its pixels are known.

    Attributes:
        recipe: how its pixels become a frame.
        latents: (1, C, h, w) float32 to decode; None if the pixels are there.
        pixels: (H, W, 3) uint8 RGB; None if they have yet to be decoded.
    """

    recipe: FrameRecipe
    latents: "Tensor | None" = None
    pixels: NDArray[np.uint8] | None = None

    @property
    def group(self) -> tuple[object, ...]:
        """Drafts of one group can be decoded in one pass; those with pixels have an empty group."""
        return () if self.latents is None else (self.recipe.final, *self.latents.shape)

    def draw(self, model: "Model") -> Frame:
        """Decode and finish the frame in the caller's thread.

        Raises:
            NotFiniteError: its numbers are not finite.
        """
        pixels = self.pixels
        if pixels is None:
            assert self.latents is not None
            (pixels,) = decode_pixels(model, self.latents, final=self.recipe.final)
        return self.recipe.finish(pixels)
