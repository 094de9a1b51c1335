"""Captions by measurement: brightness, contrast, main colours and light, for pictures without any other prompt."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Side of the picture when it is measured, in pixels.
MEASURED_SIDE = 64

#: Smallest area share of a colour that is named.
MIN_SHARE = 0.05

#: Smallest area share of a main colour.
MAIN_SHARE = 0.22

#: Smallest difference of mean CIELAB lightness (0..100) between opposite thirds that counts as light from one side.
LIT_SIDE = 14.0

#: The named colours, as RGB in hexadecimal: words of prompts, spread over CIELAB. Vivid colours have a second point at
#: full saturation, where CIELAB distances deviate most from visible differences.
NAMED_COLORS = {
    "black": ("0c0c0c",),
    "dark gray": ("464646",),
    "gray": ("808080",),
    "light gray": ("bebebe",),
    "white": ("f7f7f7",),
    "maroon": ("62101c", "800000"),
    "red": ("d22026", "ff0000"),
    "coral": ("f07864",),
    "dusty pink": ("c49292",),
    "pink": ("f5aabe",),
    "magenta": ("d72896", "ff00ff"),
    "dark brown": ("3a261a",),
    "brown": ("7a4e2e",),
    "tan": ("c6a276",),
    "beige": ("e4d4b8",),
    "cream": ("faf2d6",),
    "orange": ("ee841e", "ff8000"),
    "gold": ("d0a42c",),
    "yellow": ("f6de3a", "ffff00"),
    "olive": ("706e2a", "808000"),
    "lime green": ("8cce38", "00ff00"),
    "green": ("30923e", "00a000"),
    "dark green": ("163e24", "004000"),
    "sage green": ("92a480",),
    "turquoise": ("3cbeb4", "00ffff"),
    "teal": ("14686c", "008080"),
    "sky blue": ("88c0e8", "00a8ff"),
    "blue": ("285ccc", "0000ff"),
    "navy blue": ("141c4c", "000080"),
    "steel blue": ("547898",),
    "purple": ("683496", "800080"),
    "violet": ("926ad6", "8000ff"),
    "lavender": ("c6b6e2",),
}


@dataclass(frozen=True, slots=True)
class ColorShare:
    """The share of a colour in a picture.

    Attributes:
        name: one of NAMED_COLORS.
        share: of the area, 0..1.
    """

    name: str
    share: float


def plain_caption(image: Image.Image) -> str:
    """Describe brightness, contrast, main colours and the direction of light.

    Args:
        image: PIL RGB of any size.

    Returns:
        A phrase such as "a dark picture, mostly navy blue and black with some orange, bright at the top".
    """
    lab = _measure(image)
    return f"{_tone(lab[..., 0])}, {_colors(_shares(lab))}{_light(lab[..., 0])}"


def palette_words(image: Image.Image) -> str:
    """Name the main colours, for example "mostly navy blue and black with some orange".

    Args:
        image: PIL RGB of any size.
    """
    return _colors(_shares(_measure(image)))


def dominant_colors(image: Image.Image) -> tuple[ColorShare, ...]:
    """Return the picture's named colours, the largest share first; the shares sum to 1.

    Args:
        image: PIL RGB of any size.
    """
    return _shares(_measure(image))


def _measure(image: Image.Image) -> NDArray[np.float32]:
    """Downscale a picture to (64, 64, 3) float32 CIELAB, L 0..100."""
    small = image.resize((MEASURED_SIDE, MEASURED_SIDE), Image.Resampling.BOX, reducing_gap=3.0)
    return _to_lab(np.asarray(small, np.float32))


def _to_lab(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(rgb / np.float32(255), cv2.COLOR_RGB2Lab), np.float32)


def _shares(lab: NDArray[np.float32]) -> tuple[ColorShare, ...]:
    names = list(NAMED_COLORS)
    owners = np.array([names.index(name) for name, points in NAMED_COLORS.items() for _ in points])
    points = [list(bytes.fromhex(point)) for points in NAMED_COLORS.values() for point in points]
    distance = np.linalg.norm(lab.reshape(-1, 1, 3) - _to_lab(np.array([points], np.float32))[0], axis=2)
    counts = np.bincount(owners[distance.argmin(axis=1)], minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    return tuple(ColorShare(names[i], float(counts[i] / counts.sum())) for i in order if counts[i])


def _tone(lightness: NDArray[np.float32]) -> str:
    mean, spread = float(lightness.mean()), float(lightness.std())
    tones = ((20, "a very dark"), (40, "a dark"), (68, "a"), (84, "a bright"))
    tone = next((word for limit, word in tones if mean < limit), "a very bright")
    contrast = " high-contrast" if spread > 30 else " low-contrast" if spread < 8 else ""
    return f"{tone}{contrast} picture"


def _colors(shares: tuple[ColorShare, ...]) -> str:
    main = [color.name for color in shares if color.share >= MAIN_SHARE][:3] or [shares[0].name]
    some = [color.name for color in shares[len(main) :] if color.share >= MIN_SHARE][:3]
    return f"mostly {_listed(main)}" + (f" with some {_listed(some)}" if some else "")


def _light(lightness: NDArray[np.float32]) -> str:
    third = MEASURED_SIDE // 3
    down = float(lightness[:third].mean() - lightness[-third:].mean())
    across = float(lightness[:, :third].mean() - lightness[:, -third:].mean())
    if max(abs(down), abs(across)) < LIT_SIDE:
        return ""
    if abs(down) >= abs(across):
        return ", bright at the top" if down > 0 else ", bright at the bottom"
    return ", bright on the left" if across > 0 else ", bright on the right"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
