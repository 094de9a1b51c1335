"""A decoded picture of any mode -> RGB in sRGB, without alpha; whole, or part by part."""

import numpy as np
from PIL import Image

from codec.reading.depth import WhiteLevels, join_bytes
from codec.reading.profiles import ColorTransform, lab_to_srgb

#: Premultiplied modes, and the modes that Pillow can convert them to.
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


class Flattener:
    """Converts a picture.

    Args:
        image: a loaded PIL image of any mode.
        ground: RGB, 0..255, behind transparent pixels.
        transform: the colour profile's transform to sRGB, if any.
        levels: black and white, for more than 8 bits a channel.
        low: the low bytes of the picture, if `image` has the high bytes of 16 bits a channel.
    """

    def __init__(
        self,
        image: Image.Image,
        ground: tuple[int, int, int],
        *,
        transform: ColorTransform | None = None,
        levels: WhiteLevels | None = None,
        low: Image.Image | None = None,
    ) -> None:
        self._image = image
        self._ground = ground
        self._transform = transform
        self._levels = levels
        self._low = low

    def whole(self) -> Image.Image:
        """Return the whole picture as a new PIL RGB image."""
        flat = self._flatten(self._image, self._low)
        return flat.copy() if flat is self._image else flat

    def part(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Return a box (left, top, right, bottom) of the picture as PIL RGB."""
        return self._flatten(self._image.crop(box), None if self._low is None else self._low.crop(box))

    def _flatten(self, image: Image.Image, low: Image.Image | None) -> Image.Image:
        if self._levels is not None:
            deep = np.asarray(image) if low is None else join_bytes(image, low)
            image = Image.fromarray(self._levels.scale(deep))
        if not image.has_transparency_data:
            return self._manage(image)
        image = image.convert(_PREMULTIPLIED.get(image.mode, image.mode))
        gray = image.mode == "LA" and self._transform is not None and self._transform.mode == "L"
        image = image if gray else image.convert("RGBA")
        alpha = image.getchannel("A")
        # The ground is sRGB: colours are converted before they are laid over it.
        above = self._manage(image.convert("L" if gray else "RGB")) if self._transform else image.convert("RGB")
        above.putalpha(alpha)
        return Image.alpha_composite(Image.new("RGBA", image.size, (*self._ground, 255)), above).convert("RGB")

    def _manage(self, image: Image.Image) -> Image.Image:
        """Return a picture without alpha in sRGB."""
        if self._transform is not None:
            wanted = self._transform.mode
            return self._transform.apply(image if image.mode == wanted else image.convert(wanted))
        if image.mode == "LAB":
            return lab_to_srgb(image)
        return image if image.mode == "RGB" else image.convert("RGB")
