"""The layers of a retrieved picture, and what a prompt gets of them."""

from dataclasses import dataclass, replace

import numpy as np

from codec.layers import ColorMap, EdgeMap, Priors


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """A retrieved picture.

    Attributes:
        priors: its layers, on its own canvas.
        mirrored: whether its mirror image is meant.
    """

    priors: Priors
    mirrored: bool = False

    def complete(self, prompt: Priors) -> Priors:
        """Return a prompt with the picture's edges and colours, on the prompt's canvas."""
        retrieved = _mirrored(self.priors) if self.mirrored else self.priors
        structure = retrieved.structure and replace(retrieved.structure, canvas=prompt.canvas)
        texture = retrieved.texture and replace(retrieved.texture, canvas=prompt.canvas)
        return replace(prompt, structure=structure, texture=texture)


def _mirrored(priors: Priors) -> Priors:
    """Return edges and colours as seen in a mirror."""
    structure, texture = priors.structure, priors.texture
    if isinstance(structure, EdgeMap):
        structure = replace(structure, grid=np.ascontiguousarray(structure.grid[:, ::-1]))
    if isinstance(texture, ColorMap):
        texture = replace(texture, colors=np.ascontiguousarray(texture.colors[:, ::-1]))
    return replace(priors, structure=structure, texture=texture)
