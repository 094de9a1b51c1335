"""What other formats show for the same bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from codec.layers import Layer
from receiver.viewer.pictures.history import fold, with_original, with_rivals
from receiver.viewer.pictures.rivals import FittedName, decode_prefix, fit, fitted_names, next_rivals, progressive_jpeg
from receiver.viewer.pictures.state import History
from receiver.viewer.pictures.thumbnails import webp
from tests.support.pictures import draw_picture
from tests.support.scenes import Scene

PICTURE = Image.fromarray(draw_picture(192, 128))
TEXT, LINES = Layer.SEMANTIC, Layer.STRUCTURE


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, int) - np.asarray(other, int)).mean())


def test_a_prefix_shows_more_with_every_byte() -> None:
    data = progressive_jpeg(PICTURE)
    assert [decode_prefix(data, count) for count in (0, 1, 60, 200)] == [None] * 4
    shown = [decode_prefix(data, round(share * len(data))) for share in (0.4, 0.7, 1.0)]
    assert all(image is not None and image.size == PICTURE.size for image in shown)
    errors = [difference(image, PICTURE) for image in shown if image is not None]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 6


@pytest.mark.parametrize("name", fitted_names())
def test_a_fitted_file_has_at_most_its_budget(name: FittedName) -> None:
    assert fit(PICTURE, 10, name) is None
    small, large = fit(PICTURE, 400, name), fit(PICTURE, 2000, name)
    assert small is not None
    assert large is not None
    assert small.size <= 400 < large.size <= 2000
    assert small.image.size == large.image.size == PICTURE.size
    assert difference(large.image, PICTURE) < difference(small.image, PICTURE)


def test_stages_are_computed_once_for_each_arrival() -> None:
    scene = Scene(canvas=PICTURE.size)
    history = History()
    for event in (scene.opened(), scene.layer(TEXT, 0.0, 75), scene.layer(LINES, 1.0, 390)):
        history = fold(history, event)
    assert next_rivals(history.pictures[0]) == ()
    history = with_original(history, "p1", webp(PICTURE))
    seen = []
    while stages := next_rivals(history.pictures[0]):
        history = with_rivals(history, "p1", stages)
        seen += [(stage.name, stage.fitted, stage.budget, stage.at) for stage in stages]
    # JPEG XL only where the library is there.
    seen = [stage for stage in seen if stage[0] != "JPEG XL"]
    # By the time of the second section, the link would have carried 75 bytes and 300 more.
    assert seen == [
        ("JPEG", False, 75, 100.0),
        ("WebP", True, 75, 100.0),
        ("AVIF", True, 75, 100.0),
        ("JPEG", False, 375, 101.0),
        ("WebP", True, 390, 101.0),
        ("AVIF", True, 390, 101.0),
    ]
    webps = [stage for stage in history.pictures[0].rivals if stage.name == "WebP" and stage.image]
    assert all(stage.size <= stage.budget for stage in webps)
    assert Image.open(io.BytesIO(webps[-1].image.data)).size == PICTURE.size  # type: ignore[union-attr]
