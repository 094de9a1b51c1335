"""Encodes the images of events for browsers. Takes milliseconds, so it runs outside the event loop."""

import functools
import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from codec.layer_numbers import Layer, Size
from receiver.events import Event, FrameRendered, LayerArrived, VariantDrawn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codec.layers import Priors

#: Longest side of a layer's image, in pixels: enough for half a projector's height, a few kilobytes.
LAYER_SIDE = 512

#: Longest side and WebP quality of frames that a better one replaces within a second: about 5 kB.
PREVIEW_SIDE, PREVIEW_QUALITY = 384, 75

#: WebP quality of final frames, which people look at and compare: about 12 kB at 512x512.
FINAL_QUALITY = 85

#: Longest side of thumbnails in pixels, and the limit of remembered ones.
THUMBNAIL_SIDE, MAX_THUMBNAILS = 128, 512

#: Longest side and JPEG quality of detail, which each of its sections replaces: about 11 kB.
DETAIL_SIDE, DETAIL_QUALITY = 384, 75


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An encoded image.

    Attributes:
        data: the file's bytes: WebP for frames, JPEG for detail, PNG for lines and colours.
        tag: a digest of the bytes, for URLs that may be cached.
    """

    data: bytes
    tag: str


def encode_image(event: Event) -> EncodedImage | None:
    """Encode the frame or the layer of an event; None for events without an image."""
    match event:
        case FrameRendered(frame=frame) | VariantDrawn(frame=frame) if frame is not None:
            return webp(frame.image) if frame.final else webp(frame.image, PREVIEW_QUALITY, side=PREVIEW_SIDE)
        case LayerArrived(layer=layer, priors=priors):
            return layer_image(layer, priors)
        case _:
            return None


def layer_image(layer: Layer, priors: "Priors") -> EncodedImage | None:
    """Encode a layer as an image; None for text, and for a layer of which nothing is known."""
    match layer:
        case Layer.STRUCTURE:
            return tagged(_png(_lines(priors)))
        case Layer.TEXTURE if priors.texture is not None:
            return tagged(_png(Image.fromarray(priors.texture.to_image(_fitted(priors.canvas)))))
        case Layer.DETAIL if priors.plane is not None:
            return tagged(_jpeg(_fit(Image.fromarray(priors.plane.to_image()))))
        case _:
            return None


def webp(image: Image.Image, quality: int = FINAL_QUALITY, *, side: int | None = None) -> EncodedImage:
    """Encode a picture as lossy WebP.

    Args:
        image: PIL image of any mode.
        quality: WebP quality, 0 to 100.
        side: longest side in pixels, beyond which the picture is reduced; None keeps its size.
    """
    image = image.convert("RGB")
    if side is not None and max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=3)
    return tagged(out.getvalue())


def open_own(data: bytes) -> Image.Image:
    """Open a picture that this program encoded, in memory."""
    return Image.open(io.BytesIO(data), formats=("WEBP", "JPEG", "PNG", "AVIF"))


@functools.lru_cache(maxsize=MAX_THUMBNAILS)
def thumbnail(image: EncodedImage) -> EncodedImage:
    """Return a small copy of a frame, for rows of pictures; 1 to 2 kB. The newest copies are remembered."""
    return webp(open_own(image.data), PREVIEW_QUALITY, side=THUMBNAIL_SIDE)


def tagged(data: bytes) -> EncodedImage:
    """Return an image with the digest of its bytes."""
    return EncodedImage(data, hashlib.blake2s(data, digest_size=8).hexdigest())


def _lines(priors: "Priors") -> Image.Image:
    """Draw edges and poses into one image, white on black, one bit per pixel."""
    import numpy as np

    width, height = size = _fitted(priors.canvas)
    drawn: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    for prior in (priors.structure, priors.skeleton):
        if prior is not None:
            drawn = np.maximum(drawn, prior.to_image(size))
    return Image.fromarray(drawn).convert("1")


def _fit(image: Image.Image) -> Image.Image:
    """Reduce an image to `DETAIL_SIDE`; smaller ones stay as they are."""
    image.thumbnail((DETAIL_SIDE, DETAIL_SIDE))
    return image


def _fitted(canvas: Size) -> Size:
    scale = LAYER_SIDE / max(canvas)
    return max(1, round(canvas[0] * scale)), max(1, round(canvas[1] * scale))


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=DETAIL_QUALITY)
    return out.getvalue()


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
