"""Other colours: a flat one, or those that are there, turned, strengthened or brightened; whole or in a region."""

import re
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from codec.container.bitstream import Bitstream
from codec.editing.regions import Region, parse_rectangle, shares_inside
from codec.editing.sections import check_complete, recode_colors, replace_layer
from codec.layers import Layer
from layercast_common.errors import UsageError

#: Most that colours can be strengthened or brightened, in per cent of what they were.
MAX_PERCENT = 1000.0

_FORM = "hue=+40, saturation=50, brightness=-20, #336699 or a colour's name, after X,Y,W,H= for a region"
_CHANGE = re.compile(r"(hue|saturation|brightness)\s*=\s*([+-]?)([0-9]{1,4}(?:\.[0-9]{0,4})?)\s*%?", re.IGNORECASE)
_IN_REGION = re.compile(r"([\s0-9]+(?:,[\s0-9]+){3})=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Paint:
    """One flat colour.

    Attributes:
        color: RGB, 0..255.
        region: where; everywhere if None.
    """

    color: tuple[int, int, int]
    region: Region | None = None

    def __post_init__(self) -> None:
        if len(self.color) != 3 or any(not 0 <= value <= 255 for value in self.color):
            raise UsageError(f"a colour is three numbers of 0 to 255, not {self.color}")

    def apply(self, colors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Other colours for (rows, columns, 3) float32 RGB, 0..255."""
        return np.broadcast_to(np.array(self.color, np.float32), colors.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjust:
    """The colours that are there, changed. Each change leaves the other two as they are, as far as RGB can hold them.

    Attributes:
        turn: of the hue, in degrees: 120 makes red things green.
        hue: that all colours get, in degrees; None leaves each its own.
        saturation: in per cent of what it was; 0 is grey.
        brightness: in per cent of what it was.
        region: where; everywhere if None.
    """

    turn: float = 0.0
    hue: float | None = None
    saturation: float = 100.0
    brightness: float = 100.0
    region: Region | None = None

    def __post_init__(self) -> None:
        for name, value in (("saturation", self.saturation), ("brightness", self.brightness)):
            if not 0 <= value <= MAX_PERCENT:
                raise UsageError(f"{name} becomes 0 to {MAX_PERCENT:g} % of what it was, not {value:g} %")
        if any(not -360 <= value <= 360 for value in (self.turn, self.hue or 0.0)):
            raise UsageError("a hue is -360 to 360 degrees")

    def apply(self, colors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Other colours for (rows, columns, 3) float32 RGB, 0..255."""
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
    """The stream with other colours, on the grid and in the steps of those that it has.

    A colour cell that a region covers in part changes in that measure.

    Args:
        stream: the stream.
        changes: made one after the other.

    Raises:
        UsageError: the stream has no colours, a region leaves the canvas, or bytes of the stream are missing.
    """
    check_complete(stream)
    texture = stream.decode().texture
    if texture is None:
        raise UsageError("the stream has no colours to change; give it some with --texture-from")
    colors = texture.colors.astype(np.float32)
    for change in changes:
        changed = change.apply(colors)
        if change.region is not None:
            inside = change.region.pixels(stream.header.canvas)
            share = shares_inside(inside, colors.shape[:2]).astype(np.float32)[..., None]
            changed = colors * (1 - share) + changed * share
        colors = changed
    rounded = np.rint(colors).astype(np.uint8)
    if np.array_equal(rounded, texture.colors):
        return stream
    return replace_layer(stream, Layer.TEXTURE, recode_colors(stream, replace(texture, colors=rounded)))


def parse_recoloring(text: str) -> Recoloring:
    """Read "hue=+40", "saturation=0", "brightness=-20", "#336699" or "navy", or these after "X,Y,W,H=".

    A number with a sign changes what is there, in degrees or per cent; one without says what it becomes: that hue for
    all, or so many per cent of the saturation or brightness that it was.

    Raises:
        UsageError: it is of no such form.
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
        raise UsageError(f"{text[:40]!r} is no change of colours; say {_FORM}") from error
    if len(color) != 3:
        raise UsageError(f"the colour {text!r} is transparent in part; give it as #RRGGBB")
    return color
