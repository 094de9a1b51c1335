"""What an event shows, encoded for browsers. Pure; takes milliseconds, so it runs off the event loop."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.layers import Layer, Priors, Size
from receiver.events import Event, FrameRendered, LayerArrived

#: Longest side of a drawn layer, in pixels: enough for half a projector's height, a few kilobytes as PNG.
LAYER_SIDE = 512

#: JPEG quality of frames that a better one replaces within a second.
PREVIEW_QUALITY = 82

#: JPEG quality of a run's last frame, which people look at and compare.
FINAL_QUALITY = 92


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An encoded picture.

    Attributes:
        data: the file's bytes: JPEG for frames, PNG for layers.
        tag: a short name of these bytes; another picture has another tag.
    """

    data: bytes
    tag: str


def draw(event: Event) -> EncodedImage | None:
    """Encode the frame or the layer that came with an event; None where there is nothing to see."""
    match event:
        case FrameRendered(frame=frame):
            return _drawing(_jpeg(frame.image, final=frame.final))
        case LayerArrived(layer=Layer.STRUCTURE, priors=priors):
            return _drawing(_png(_lines(priors)))
        case LayerArrived(layer=Layer.TEXTURE, priors=priors) if priors.texture is not None:
            return _drawing(_png(Image.fromarray(priors.texture.to_image(_fitted(priors.canvas)))))
        case _:
            return None


def _drawing(data: bytes) -> EncodedImage:
    return EncodedImage(data, hashlib.blake2s(data, digest_size=8).hexdigest())


def _lines(priors: Priors) -> Image.Image:
    """The edges and the poses in one drawing, white on black, one bit per pixel."""
    width, height = size = _fitted(priors.canvas)
    drawn: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    for prior in (priors.structure, priors.skeleton):
        if prior is not None:
            drawn = np.maximum(drawn, prior.to_image(size))
    return Image.fromarray(drawn).convert("1")


def _fitted(canvas: Size) -> Size:
    scale = LAYER_SIDE / max(canvas)
    return max(1, round(canvas[0] * scale)), max(1, round(canvas[1] * scale))


def _jpeg(image: Image.Image, *, final: bool) -> bytes:
    out = io.BytesIO()
    if final:
        image.convert("RGB").save(out, "JPEG", quality=FINAL_QUALITY, subsampling="4:4:4")
    else:
        image.convert("RGB").save(out, "JPEG", quality=PREVIEW_QUALITY)
    return out.getvalue()


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
