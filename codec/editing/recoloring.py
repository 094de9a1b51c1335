"""Edits of colours: a flat colour, or changes of hue, saturation and brightness, everywhere or in a region."""

import re
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from codec.container.bitstream import Bitstream
from codec.editing.regions import Region, coverage, parse_rectangle
from codec.editing.sections import check_complete, recode_colors, replace_layer
from codec.layers import Layer
from layercast_common.errors import UsageError

#: Largest saturation or brightness, in per cent of the original.
MAX_PERCENT = 1000.0

_FORM = "hue=+40, saturation=50, brightness=-20, #336699 or a colour's name, with the prefix X,Y,W,H= for a region"
_CHANGE = re.compile(r"(hue|saturation|brightness)\s*=\s*([+-]?)([0-9]{1,4}(?:\.[0-9]{0,4})?)\s*%?", re.IGNORECASE)
_IN_REGION = re.compile(r"([\s0-9]+(?:,[\s0-9]+){3})=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Paint:
    """One flat colour.

    Attributes:
        color: RGB, 0..255.
        region: the part of the picture to change; all of it if None.
    """

    color: tuple[int, int, int]
    region: Region | None = None

    def __post_init__(self) -> None:
        if len(self.color) != 3 or any(not 0 <= value <= 255 for value in self.color):
            raise UsageError(f"a colour is three numbers of 0 to 255, not {self.color}")

    def apply(self, colors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the changed colours: (rows, columns, 3) float32 RGB, 0..255, in and out."""
        return np.broadcast_to(np.array(self.color, np.float32), colors.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjust:
    """A change of hue, saturation or brightness. Each changes only its own property, within the limits of RGB.

    Attributes:
        turn: rotation of the hue, in degrees: 120 turns red into green.
        hue: hue of all colours, in degrees; None keeps the hues.
        saturation: in per cent of the original; 0 is grey.
        brightness: in per cent of the original.
        region: the part of the picture to change; all of it if None.
    """

    turn: float = 0.0
    hue: float | None = None
    saturation: float = 100.0
    brightness: float = 100.0
    region: Region | None = None

    def __post_init__(self) -> None:
        for name, value in (("saturation", self.saturation), ("brightness", self.brightness)):
            if not 0 <= value <= MAX_PERCENT:
                raise UsageError(f"{name} is 0 to {MAX_PERCENT:g} % of the original, not {value:g} %")
        if any(not -360 <= value <= 360 for value in (self.turn, self.hue or 0.0)):
            raise UsageError("a hue is -360 to 360 degrees")

    def apply(self, colors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the changed colours: (rows, columns, 3) float32 RGB, 0..255, in and out."""
        if self.turn or self.hue is not None:
            hls = cv2.cvtColor(colors / 255, cv2.COLOR_RGB2HLS)
            hls[..., 0] = ((hls[..., 0] if self.hue is None else self.hue) + self.turn) % 360
            colors = cv2.cvtColor(hls, cv2.COLOR_HLS2RGB) * 255
        gray = colors @ np.array([0.299, 0.587, 0.114], np.float32)
        stronger = gray[..., None] + (colors - gray[..., None]) * (self.saturation / 100)
        return np.asarray(np.clip(stronger * (self.brightness / 100), 0, 255), np.float32)


#: A change of colours.
Recoloring = Paint | Adjust


def recolor(stream: Bitstream, *changes: Recoloring) -> Bitstream:
    """Return the stream with changed colours, on the same grid and with the same step size.

    A colour cell that a region covers in part changes in proportion.

    Args:
        stream: the stream.
        changes: the changes, applied in order.

    Raises:
        UsageError: the stream has no colours, a region leaves the canvas, or bytes of the stream are missing.
        BitstreamError: the stream does not decode.
    """
    check_complete(stream)
    texture = stream.decode().texture
    if texture is None:
        raise UsageError("the stream has no colours to change; add some with --texture-from")
    colors = texture.colors.astype(np.float32)
    for change in changes:
        changed = change.apply(colors)
        if change.region is not None:
            inside = change.region.pixels(stream.header.canvas)
            share = coverage(inside, colors.shape[:2]).astype(np.float32)[..., None]
            changed = colors * (1 - share) + changed * share
        colors = changed
    rounded = np.rint(colors).astype(np.uint8)
    if np.array_equal(rounded, texture.colors):
        return stream
    return replace_layer(stream, Layer.TEXTURE, recode_colors(stream, replace(texture, colors=rounded)))


def parse_recoloring(text: str) -> Recoloring:
    """Parse "hue=+40", "saturation=0", "brightness=-20", "#336699" or "navy", optionally after "X,Y,W,H=".

    A number with a sign is a change, in degrees or per cent. A number without a sign is the result: the hue of all
    colours, or per cent of the original saturation or brightness.

    Raises:
        UsageError: the text has another form, or a value is out of range.
    """
    match = _IN_REGION.fullmatch(text)
    if match is None:
        return _parse_change(text.strip())
    return replace(_parse_change(match[2].strip()), region=parse_rectangle(match[1]))


def _parse_change(text: str) -> Recoloring:
    change = _CHANGE.fullmatch(text)
    if change is None:
        return Paint(_parse_color(text))
    name, sign, value = change[1].lower(), change[2], float(change[3])
    if name == "hue":
        return Adjust(turn=float(sign + change[3])) if sign else Adjust(hue=value)
    percent = {"+": 100 + value, "-": 100 - value, "": value}[sign]
    return Adjust(saturation=percent) if name == "saturation" else Adjust(brightness=percent)


def _parse_color(text: str) -> tuple[int, int, int]:
    try:
        color = ImageColor.getrgb(text)
    except ValueError as error:
        raise UsageError(f"{text[:40]!r} is not a change of colours; use {_FORM}") from error
    if len(color) != 3:
        raise UsageError(f"the colour {text!r} is partly transparent; give it as #RRGGBB")
    return color
