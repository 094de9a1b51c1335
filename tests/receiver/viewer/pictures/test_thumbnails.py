"""Encoded images of events."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from codec.layers import SKELETON_POINTS, Layer, Priors, Skeleton
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels
from receiver.viewer.pictures.thumbnails import (
    DETAIL_SIDE,
    LAYER_SIDE,
    PREVIEW_SIDE,
    THUMBNAIL_SIDE,
    EncodedImage,
    encode_image,
    thumbnail,
)
from tests.support.pictures import draw_picture
from tests.support.scenes import Scene


def opened(drawing: EncodedImage | None) -> Image.Image:
    assert drawing is not None
    return Image.open(io.BytesIO(drawing.data))


def test_lines_are_light_on_dark_in_the_picture_s_shape() -> None:
    image = opened(encode_image(Scene().layer(Layer.STRUCTURE)))
    assert (image.format, image.size) == ("PNG", (LAYER_SIDE, round(LAYER_SIDE * 64 / 96)))
    pixels = np.asarray(image.convert("L"))
    assert set(np.unique(pixels)) == {0, 255}
    assert pixels.mean() < 30


def test_poses_are_drawn_with_the_lines() -> None:
    event = Scene().layer(Layer.STRUCTURE)
    person = tuple((48.0, 3.0 * n) for n in range(SKELETON_POINTS))
    posed = replace(event, priors=replace(event.priors, skeleton=Skeleton((person,), event.priors.canvas)))
    lines, both = (np.asarray(opened(encode_image(one)).convert("L")) > 0 for one in (event, posed))
    assert (both & lines).sum() == lines.sum() < both.sum()


def test_colours_are_flat_tiles() -> None:
    image = opened(encode_image(Scene().layer(Layer.TEXTURE)))
    assert image.size == (LAYER_SIDE, round(LAYER_SIDE * 64 / 96))
    assert (image.getpixel((5, 5)), image.getpixel((500, 330))) == ((120, 160, 220), (160, 40, 30))


def test_detail_is_what_the_plane_tells() -> None:
    event = Scene.with_planes().layer(Layer.DETAIL)
    image = opened(encode_image(event))
    assert (image.format, image.size) == ("JPEG", (96, 64))
    assert event.priors.plane is not None
    assert np.abs(np.asarray(image, int) - event.priors.plane.to_image()).mean() < 8


def test_detail_of_a_large_picture_is_reduced() -> None:
    coefficients = forward(to_channels(draw_picture(1024, 256)))
    plane = Plane.of(coefficients, np.full(coefficients.shape, 6, np.int8))
    event = replace(Scene().layer(Layer.DETAIL), priors=Priors((1024, 256), plane=plane))
    assert opened(encode_image(event)).size == (DETAIL_SIDE, DETAIL_SIDE // 4)


def test_frames_are_webps_named_by_their_bytes() -> None:
    scene = Scene()
    first, same, other = (encode_image(scene.frame(shade=shade)) for shade in (10, 10, 200))
    assert first is not None
    assert same is not None
    assert other is not None
    assert (opened(first).format, opened(first).size) == ("WEBP", scene.canvas)
    assert first == same
    assert first.tag != other.tag


def test_frames_that_are_replaced_soon_are_small() -> None:
    scene = Scene(canvas=(800, 400))
    preview, final = (encode_image(scene.frame(step=step)) for step in (1, 4))
    assert (opened(preview).size, opened(final).size) == ((PREVIEW_SIDE, PREVIEW_SIDE // 2), (800, 400))
    assert final is not None
    assert opened(thumbnail(final)).size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE // 2)
    assert thumbnail(final) is thumbnail(final)


@pytest.mark.parametrize("index", [0, 1, 7])
def test_nothing_to_see(index: int) -> None:
    assert encode_image(Scene().whole()[index]) is None
