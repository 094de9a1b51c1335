"""codec.canvas: the choice of a canvas, its limits, and cropping to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec.canvas import (
    MAX_CANVAS_SIDE,
    MIN_CANVAS_SIDE,
    choose_canvas,
    crop_box,
    cropped_share,
    fit_to_canvas,
    parse_canvas,
)
from layercast_common.errors import UsageError


class TestCanvas:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((512, 512), (512, 512)),
            ((1024, 1000), (512, 512)),
            ((1920, 1080), (576, 320)),
            ((3000, 2000), (576, 384)),
            ((2000, 3000), (384, 576)),
            ((40_000, 1), (576, 64)),
            ((1, 1), (512, 512)),
        ],
    )
    def test_the_nearest_aspect_is_chosen(self, size: tuple[int, int], expected: tuple[int, int]) -> None:
        assert choose_canvas(size) == expected

    @given(st.integers(1, 50_000), st.integers(1, 50_000), st.sampled_from(range(64, 2049, 64)))
    def test_every_picture_has_a_canvas(self, width: int, height: int, long_side: int) -> None:
        canvas = choose_canvas((width, height), long_side=long_side)
        assert abs(max(canvas) - long_side) <= 64
        assert all(MIN_CANVAS_SIDE <= side <= MAX_CANVAS_SIDE and side % 64 == 0 for side in canvas)
        assert choose_canvas((height, width), long_side=long_side) == canvas[::-1] or width == height

    @pytest.mark.parametrize(
        ("size", "canvas", "share"),
        [((3000, 2000), (576, 384), 0.0), ((100, 100), (128, 64), 0.5), ((1000, 100), (512, 512), 0.5)],
    )
    def test_the_cropped_share_is_that_of_the_area(
        self, size: tuple[int, int], canvas: tuple[int, int], share: float
    ) -> None:
        assert cropped_share(size, canvas) == pytest.approx(share)

    def test_a_given_canvas_is_used(self) -> None:
        assert choose_canvas((100, 10), (128, 2048)) == (128, 2048)

    @pytest.mark.parametrize("wanted", [(500, 512), (512, 0), (2112, 512), (-64, 64)])
    def test_invalid_sides_are_refused(self, wanted: tuple[int, int]) -> None:
        with pytest.raises(UsageError, match="multiple of 64 from 64 to 2048"):
            choose_canvas((100, 100), wanted)
        with pytest.raises(UsageError, match="multiple of 64"):
            choose_canvas((100, 100), long_side=500)

    @pytest.mark.parametrize("text", ["512x768", " 512 X 768 ", "512×768"])
    def test_parse(self, text: str) -> None:
        assert parse_canvas(text) == (512, 768)

    @pytest.mark.parametrize(
        "text", ["", "512", "512x", "x512", "512x512x3", "0x0", "500x500", "-64x64", "9" * 99, "٦٤x64"]
    )
    def test_parse_refuses(self, text: str) -> None:
        with pytest.raises(UsageError):
            parse_canvas(text)


class TestFit:
    def test_the_centre_is_kept_and_the_aspect_too(self) -> None:
        # A centred square in a wide picture stays a square in the middle of the canvas.
        wide = np.zeros((300, 400, 3), np.uint8)
        wide[100:200, 150:250] = 255
        fitted = fit_to_canvas(Image.fromarray(wide), (192, 192))
        assert fitted.shape == (192, 192, 3)
        assert fitted.dtype == np.uint8
        ys, xs = np.nonzero(fitted[..., 0] > 128)
        assert (ys.min(), ys.max(), xs.min(), xs.max()) == (64, 127, 64, 127)

    def test_a_very_long_picture_is_cropped_by_half_and_squeezed(self) -> None:
        strip = np.zeros((10, 1000, 3), np.uint8)
        strip[:, 250:750] = 255
        fitted = fit_to_canvas(Image.fromarray(strip), (512, 64))
        assert (fitted > 200).mean() > 0.99

    @given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([(64, 64), (64, 128), (128, 64)]))
    def test_a_uniform_picture_stays_uniform(self, width: int, height: int, canvas: tuple[int, int]) -> None:
        fitted = fit_to_canvas(Image.new("RGB", (width, height), (200, 100, 50)), canvas)
        assert fitted.shape == (canvas[1], canvas[0], 3)
        assert (fitted == (200, 100, 50)).all()

    def test_the_box_is_centred_and_crops_at_most_half_of_a_side(self) -> None:
        assert crop_box((400, 300), (192, 192)) == (50, 0, 350, 300)
        assert crop_box((1000, 10), (512, 64)) == (250, 0, 750, 10)
