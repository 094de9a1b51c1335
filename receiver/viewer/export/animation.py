"""An arrival as an animated WebP."""

import io

from PIL import Image, ImageDraw, ImageFont

from codec.layer_numbers import Layer
from layercast_common.errors import PictureError
from receiver.viewer.pictures.state import PictureState
from receiver.viewer.pictures.thumbnails import open_own

#: Longest side of the picture, in pixels; WebP quality; how long the last frame stays, in milliseconds.
SIDE, QUALITY, REST = 512, 70, 3000

#: Shortest time of a frame in milliseconds: browsers slow down animations with shorter ones.
SHORTEST = 20

_STRIP, _INK, _QUIET, _GROUND = 56, "#f3f0e9", "#a9adb8", "#0c0d10"
_HUES = {
    Layer.SEMANTIC: "#ffb84d",
    Layer.STRUCTURE: "#62cdf6",
    Layer.TEXTURE: "#ff7d8f",
    Layer.DETAIL: "#86dfa0",
}


def animate(picture: PictureState, *, speed: float = 1.0) -> bytes:
    """Return an arrival as an animated WebP that repeats: each frame, and below it the bytes and seconds so far.

    Args:
        picture: a picture that has ended, or a recorded one.
        speed: how many times faster than it arrived.

    Raises:
        PictureError: no frame was shown.
    """
    if not picture.shown:
        raise PictureError(f"picture {picture.id} was not drawn, so there is nothing to animate")
    began = picture.opened.at
    moments = sorted({began, *(one.at for one in picture.arrivals), *(one.at for one in picture.shown)})
    frames = [_draw(picture, at) for at in moments]
    ends = [*moments[1:], moments[-1]]
    durations = [max(SHORTEST, round(1000 * (end - at) / speed)) for at, end in zip(moments, ends, strict=True)]
    durations[-1] = REST
    out = io.BytesIO()
    frames[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        quality=QUALITY,
        method=3,
    )
    return out.getvalue()


def _draw(picture: PictureState, at: float) -> Image.Image:
    width, height = picture.opened.canvas
    scale = min(1.0, SIDE / max(width, height))
    size = max(160, round(width * scale)), max(1, round(height * scale))
    sheet = Image.new("RGB", (size[0], size[1] + _STRIP), _GROUND)
    draw = ImageDraw.Draw(sheet)
    frame = next((one for one in reversed(picture.shown) if one.at <= at), None)
    arrived = [one for one in picture.arrivals if one.at <= at]
    if frame is not None:
        sheet.paste(open_own(frame.image.data).convert("RGB").resize(size, Image.Resampling.LANCZOS))
    elif picture.prompt and any(one.layer is Layer.SEMANTIC for one in arrived):
        _draw_words(draw, picture.prompt, size)
    total = sum(one.size for one in picture.arrivals) or 1
    left = 0.0
    for one in picture.arrivals:
        right = left + size[0] * one.size / total
        hue = _HUES[one.layer] if one in arrived else "#2a2e37"
        draw.rectangle((left, size[1] + 6, max(left, right - 3), size[1] + 13), fill=hue)
        left = right
    font = ImageFont.load_default(18)
    received = max((one.received for one in arrived), default=0)
    y = size[1] + 36
    draw.text((4, y), f"{received:,} bytes", _INK, font, anchor="lm")
    draw.text((size[0] - 4, y), f"{at - picture.opened.at:.1f} s", _QUIET, font, anchor="rm")
    return sheet


def _draw_words(draw: ImageDraw.ImageDraw, prompt: str, size: tuple[int, int]) -> None:
    """Write the text where the picture is going to be, broken into lines that fit."""
    font = ImageFont.load_default(max(12, size[0] // 20))
    lines = [""]
    for word in prompt[:400].split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font) > size[0] * 0.86 and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    place = size[0] / 2, size[1] / 2
    draw.multiline_text(place, "\n".join(lines[:8]), _HUES[Layer.SEMANTIC], font, anchor="mm", align="center")
