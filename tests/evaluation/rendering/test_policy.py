import pytest

from evaluation.rendering.policy import PolicyPoint, recommend
from receiver.rendering.settings.arrival_limits import ArrivalLimits


def point(moment: float, target: float | None = None, *, good: bool = True) -> PolicyPoint:
    return PolicyPoint(
        layer="structure",
        moment=moment,
        target=moment if target is None else target,
        quality=1.0 if good else 0.5,
        similarity=0.9,
        saved=moment if target is None else target,
    )


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        # Nothing agrees: the layer joins only a run that has not started; otherwise the run restarts.
        ([point(0.2, good=False), point(0.4, 0.2, good=False)], ArrivalLimits(join=0.0)),
        # The layer joins up to the last moment that agrees, if all earlier ones agree.
        ([point(0.2), point(0.4), point(0.6, good=False)], ArrivalLimits(join=0.4)),
        ([point(0.2), point(0.4, good=False), point(0.6)], ArrivalLimits(join=0.2)),
        # Later, the run is rewound to the target with the largest mean saving.
        (
            [point(0.2), point(0.4, good=False), point(0.4, 0.1), point(0.6, 0.1), point(0.4, 0.2), point(0.6, 0.2)],
            ArrivalLimits(join=0.2, rewind=0.6, rewind_to=0.2),
        ),
        # A target that saves less but agrees for longer wins.
        (
            [point(0.2, good=False), point(0.2, 0.1), point(0.8, 0.1), point(0.4, 0.2), point(0.8, 0.2, good=False)],
            ArrivalLimits(join=0.0, rewind=0.8, rewind_to=0.1),
        ),
    ],
)
def test_recommended_limits(points: list[PolicyPoint], expected: ArrivalLimits) -> None:
    assert recommend(points) == expected


def test_a_different_picture_does_not_agree_however_good() -> None:
    other = PolicyPoint(layer="semantic", moment=0.2, target=0.2, quality=1.0, similarity=0.3, saved=0.2)
    assert not other.agrees
    assert recommend([other]) == ArrivalLimits(join=0.0)
