"""codec.analysis.captioning.palette: captions by measurement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from codec.analysis.captioning.palette import NAMED_COLORS, dominant_colors, plain_caption

BLACK_AND_WHITE = "a high-contrast picture, mostly black and white"


def halves(first: str, second: str, *, across: bool) -> Image.Image:
    image = Image.new("RGB", (100, 100), second)
    image.paste(first, (0, 0, 50, 100) if across else (0, 0, 100, 50))
    return image


@pytest.mark.parametrize(("name", "point"), [(name, point) for name in NAMED_COLORS for point in NAMED_COLORS[name]])
def test_each_named_colour_is_recognised(name: str, point: str) -> None:
    (color,) = dominant_colors(Image.new("RGB", (7, 5), f"#{point}"))
    assert (color.name, color.share) == (name, 1.0)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 140), "navy blue"),
        ((0, 40, 255), "blue"),
        ((255, 20, 0), "red"),
        ((250, 250, 20), "yellow"),
        ((240, 180, 200), "pink"),
        ((70, 50, 35), "dark brown"),
        ((3, 3, 3), "black"),
    ],
)
def test_colours_near_a_named_one_take_its_name(rgb: tuple[int, int, int], name: str) -> None:
    assert dominant_colors(Image.new("RGB", (3, 3), rgb))[0].name == name


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (9, 9), "black"), "a very dark low-contrast picture, mostly black"),
        (Image.new("RGB", (9, 9), "white"), "a very bright low-contrast picture, mostly white"),
        (halves("white", "black", across=False), f"{BLACK_AND_WHITE}, bright at the top"),
        (halves("black", "white", across=False), f"{BLACK_AND_WHITE}, bright at the bottom"),
        (halves("white", "black", across=True), f"{BLACK_AND_WHITE}, bright on the left"),
        (halves("black", "white", across=True), f"{BLACK_AND_WHITE}, bright on the right"),
    ],
)
def test_captions(image: Image.Image, expected: str) -> None:
    assert plain_caption(image) == expected


def test_a_small_patch_is_named_as_some() -> None:
    image = Image.new("RGB", (100, 100), "navy")
    image.paste("darkorange", (40, 40, 70, 70))
    assert plain_caption(image) == "a very dark picture, mostly navy blue with some orange"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 80))
def test_any_picture_has_a_deterministic_caption(seed: int, width: int, height: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    assert plain_caption(image) == plain_caption(image.copy())
    assert sum(color.share for color in dominant_colors(image)) == pytest.approx(1)
