import numpy as np
import pytest

from codec.layers import ColorMap, Priors, Semantic
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels
from evaluation.rendering.start_strengths import StrengthPoint, measure_strengths, recommend_strengths
from evaluation.rendering.subjects import Subject
from receiver.rendering.loader import load_model
from tests.support.models import build_tiny_model
from tests.support.pictures import draw_picture


def point(strength: float, quality: float) -> StrengthPoint:
    return StrengthPoint(layer="texture", strength=strength, forwards=1.0, quality=quality, agreement=0.9, calmness=0.9)


@pytest.mark.parametrize(
    ("qualities", "expected"),
    [
        ({0.2: 1.0, 0.6: 1.0, 1.0: 1.0}, 0.2),
        ({0.2: 1.0, 0.6: 0.5, 1.0: 1.0}, 1.0),
        ({0.2: 0.5, 0.6: 0.96, 1.0: 1.0}, 0.6),
    ],
)
def test_the_least_strength_that_keeps_the_quality_is_recommended(
    qualities: dict[float, float], expected: float
) -> None:
    assert recommend_strengths([point(*pair) for pair in qualities.items()]) == {"texture": expected}


def test_every_strength_is_measured_with_its_forwards(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = build_tiny_model(tmp_path_factory.mktemp("models") / "tiny", "sd15")
    picture = draw_picture(64, 64)
    coefficients = forward(to_channels(picture))
    plane = Plane.of(coefficients, np.full(coefficients.shape, 4, np.int8))
    priors = Priors((64, 64), Semantic("a red house"), texture=ColorMap(plane.colors(8), (64, 64)), plane=plane)
    subject = Subject("one", picture, priors, 1)
    points = measure_strengths(load_model(folder, "cpu"), [subject], 5, lambda items, _: items)
    assert {p.layer for p in points} == {"texture", "detail"}
    assert {p.strength: p.forwards for p in points} == {0.2: 1, 0.4: 2, 0.6: 3, 0.8: 4, 1.0: 5}
    assert all((p.quality, p.agreement) == pytest.approx((1.0, 1.0)) for p in points if p.strength == 1.0)
