"""Other formats at their best within a number of bytes."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.formats.best_fit import FormatSearch
from evaluation.formats.formats import FORMATS, load_format
from evaluation.quality.reference import psnr
from layercast_common.errors import UsageError
from tests.support.pictures import draw_picture

pytest.importorskip("imagecodecs")

PICTURE = draw_picture(192, 128)


@pytest.mark.parametrize("name", FORMATS)
def test_candidates_fit(name: str) -> None:
    codec = load_format(name)
    candidates = list(FormatSearch(PICTURE, codec).candidates(700))
    assert candidates
    for candidate in candidates:
        assert len(candidate.data) <= 700
        assert candidate.pixels.shape == PICTURE.shape
        assert codec.decode(candidate.data).shape[2] == 3
    assert max(psnr(candidate.pixels, PICTURE) for candidate in candidates) > 20
    assert {candidate.recipe.filter for candidate in candidates} >= {"bicubic", "lanczos"}


def test_the_quality_is_the_highest_that_fits() -> None:
    codec = load_format("webp")
    candidate = next(iter(FormatSearch(PICTURE, codec).candidates(2000)))
    assert candidate.recipe.scale == 1
    higher = codec.qualities[codec.qualities.index(candidate.recipe.quality) + 1]
    assert len(codec.encode(PICTURE, higher)) > 2000


def test_nothing_is_encoded_twice() -> None:
    codec = load_format("jpeg")
    seen: list[tuple[tuple[int, ...], float]] = []

    def encode(picture: NDArray[np.uint8], quality: float) -> bytes:
        seen.append((picture.shape, quality))
        return codec.encode(picture, quality)

    search = FormatSearch(PICTURE, replace(codec, encode=encode))
    first = [candidate.data for candidate in search.candidates(900)]
    assert [candidate.data for candidate in search.candidates(900)] == first
    list(search.candidates(1500))
    assert len(set(seen)) == len(seen)


def test_nothing_fits() -> None:
    search = FormatSearch(PICTURE, load_format("avif"))
    assert list(search.candidates(100)) == []
    assert search.least_bytes() > 100


def test_unknown_format() -> None:
    with pytest.raises(UsageError, match="jpeg, webp, avif, jxl"):
        load_format("bpg")
