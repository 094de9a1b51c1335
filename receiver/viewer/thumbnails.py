"""Encodes the images of events for browsers. Takes milliseconds, so it runs outside the event loop."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.layers import Layer, Priors, Size
from receiver.events import Event, FrameRendered, LayerArrived

#: Longest side of a layer's image, in pixels: enough for half a projector's height, a few kilobytes as PNG.
LAYER_SIDE = 512

#: JPEG quality of frames that a better one replaces within a second.
PREVIEW_QUALITY = 82

#: JPEG quality of final frames, which people look at and compare.
FINAL_QUALITY = 92


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An encoded image.

    Attributes:
        data: the file's bytes: JPEG for frames, PNG for layers.
        tag: a digest of the bytes, for URLs that may be cached.
    """

    data: bytes
    tag: str


def encode_image(event: Event) -> EncodedImage | None:
    """Encode the frame or the layer of an event; None for events without an image."""
    match event:
        case FrameRendered(frame=frame):
            return _tagged(_jpeg(frame.image, final=frame.final))
        case LayerArrived(layer=Layer.STRUCTURE, priors=priors):
            return _tagged(_png(_lines(priors)))
        case LayerArrived(layer=Layer.TEXTURE, priors=priors) if priors.texture is not None:
            return _tagged(_png(Image.fromarray(priors.texture.to_image(_fitted(priors.canvas)))))
        case _:
            return None


def _tagged(data: bytes) -> EncodedImage:
    return EncodedImage(data, hashlib.blake2s(data, digest_size=8).hexdigest())


def _lines(priors: Priors) -> Image.Image:
    """Draw edges and poses into one image, white on black, one bit per pixel."""
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
