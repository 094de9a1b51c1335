"""Frames: the renderer's output."""

import base64
import html
import io
from dataclasses import dataclass

from PIL import Image

from codec.layer_numbers import Layer


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
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

    def __repr__(self) -> str:
        return f"<Frame {self._describe()}>"

    def _repr_png_(self) -> bytes:
        """Return the picture for notebooks."""
        file = io.BytesIO()
        self.image.save(file, "PNG")
        return file.getvalue()

    def _repr_html_(self) -> str:
        """Return the picture with a caption for notebooks."""
        data = base64.b64encode(self._repr_png_()).decode()
        about = html.escape(self._describe())
        return (
            f'<figure><img src="data:image/png;base64,{data}" alt="{about}"><figcaption>{about}</figcaption></figure>'
        )

    def _describe(self) -> str:
        layers = ", ".join(layer.name.lower() for layer in sorted(self.layers)) or "nothing"
        end = ", final" if self.final else ""
        width, height = self.image.size
        return f"{width}x{height} from {layers}; step {self.step} of {self.steps}{end}, {self.seconds:.2f} s"
