import numpy as np
import pytest

from codec.layers import ColorMap, EdgeMap, Priors, Semantic, Skeleton
from codec.preview import GROUND, UNDER_LINES, paint_priors
from tests.codec.coders.test_skeleton import STANDING

CANVAS = (192, 128)
LINES = EdgeMap(np.eye(16, 24, dtype=np.bool_), CANVAS)
COLORS = ColorMap(np.full((2, 3, 3), (200, 100, 50), np.uint8), CANVAS)


def test_lines_are_painted_over_colours() -> None:
    painted = paint_priors(Priors(CANVAS, Semantic("x"), LINES, COLORS))
    drawn = LINES.to_image() > 0
    assert painted.shape == (128, 192, 3)
    assert (painted[~drawn] == (200, 100, 50)).all()
    assert (painted[drawn] == np.array((200, 100, 50)) * UNDER_LINES // 100).all()


def test_colours_are_interpolated() -> None:
    colors = np.zeros((1, 2, 3), np.uint8)
    colors[0, 1] = 255
    row = paint_priors(Priors((256, 64), texture=ColorMap(colors, (256, 64))))[0, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert len(set(row)) > 32


@pytest.mark.parametrize(
    ("priors", "any_lines"),
    [
        (Priors(CANVAS), False),
        (Priors(CANVAS, structure=LINES), True),
        (Priors(CANVAS, structure=Skeleton((STANDING,), (512, 512))), True),
        (Priors(CANVAS, skeleton=Skeleton((STANDING,), (512, 512))), True),
    ],
)
def test_without_colours_the_background_is_uniform(priors: Priors, any_lines: bool) -> None:
    painted = paint_priors(priors)
    lined = (painted != GROUND).any(axis=-1)
    assert lined.any() == any_lines
    assert not lined.all()
