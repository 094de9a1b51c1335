"""Means, intervals and the comparison with the best of the others."""

import pytest

from evaluation.rate_distortion.points import FigureValue, Point
from evaluation.rate_distortion.summary import means_of, verdicts_of


def point(contender: str, picture: str, value: float | None, figure: str = "psnr", size: int = 600) -> Point:
    measured = (
        {} if value is None else {figure: FigureValue(value=value, bytes=size, recipe=None, encode_s=1, decode_s=3)}
    )
    return Point(contender=contender, picture=picture, budget=655, size=(100, 80), figures=measured)


def test_means_with_their_interval() -> None:
    (mean,) = means_of([point("a", "0", 20.0, size=500), point("a", "1", 24.0, size=600), point("a", "2", None)])
    assert (mean.value, mean.bytes, mean.count, mean.missing) == (22, 550, 2, 1)
    assert mean.bpp == pytest.approx(8 * 550 / 8000)
    # Standard deviation 2.83, standard error 2, times 1.96.
    assert mean.interval == pytest.approx(3.92)


def test_a_single_value_has_no_interval() -> None:
    assert means_of([point("a", "0", 20.0)])[0].interval == 0


@pytest.mark.parametrize(("figure", "gain"), [("psnr", 1.0), ("gmsd", -1.0)])
def test_beside_the_best_of_the_others(figure: str, gain: float) -> None:
    values = {"ours": (4.0, 6.0), "x": (1.0, 7.0), "y": (3.0, 3.0), "z": (9.0, None)}
    points = [point(name, str(n), value, figure) for name, both in values.items() for n, value in enumerate(both)]
    (verdict,) = verdicts_of(points, "ours", ("x", "y", "z"))
    # z lacks a picture, so its mean does not count; for a single picture it does.
    if figure == "psnr":
        assert (verdict.rival, verdict.rival_value, verdict.gain, verdict.wins) == ("x", 4.0, gain, 0.0)
    else:
        assert (verdict.rival, verdict.rival_value, verdict.gain, verdict.wins) == ("y", 3.0, -2.0, 0.0)
