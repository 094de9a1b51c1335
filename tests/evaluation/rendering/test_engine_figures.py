"""The measurements, on a tiny model and tiny pictures."""

from pathlib import Path

import numpy as np
import pytest

from codec.layers import ColorMap, EdgeMap, Priors, Semantic
from evaluation.rendering.arrivals import measure_arrivals
from evaluation.rendering.many_pictures import measure_crowd
from evaluation.rendering.policy import measure_policy
from evaluation.rendering.speed import measure_speed
from evaluation.rendering.subjects import Subject
from receiver.rendering import Model, load_model

CANVAS = (64, 64)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model, "cpu", dtype="float32", performance="plain")


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    random = np.random.default_rng(3)
    priors = Priors(
        CANVAS,
        Semantic("a red house by the lake"),
        EdgeMap(random.random((16, 16)) < 0.2, CANVAS),
        ColorMap(random.integers(60, 200, (2, 2, 3), dtype=np.uint8), CANVAS),
    )
    original = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return [Subject(f"{seed}.png", original, priors, seed) for seed in (1, 2)]


def test_speeds_are_measured_on_the_same_work(model: Model, subjects: list[Subject]) -> None:
    speed = measure_speed(model, subjects[0], steps=3, rounds=1)
    assert speed.engine_share == pytest.approx(speed.engine_s / speed.bare_s)
    assert speed.stock_share == pytest.approx(speed.stock_s / speed.whole_s)
    assert min(speed.bare_s, speed.whole_s, speed.stock_s) > 0


def test_a_crowd_is_finished(model: Model, subjects: list[Subject]) -> None:
    crowd = measure_crowd(model, subjects, 3, 1)
    assert crowd.finished == 1
    assert crowd.last_first_s > 0


def test_late_layers_cost_what_the_policy_says(model: Model, subjects: list[Subject]) -> None:
    arrivals = measure_arrivals(model, subjects, 20)
    for figures in arrivals:
        assert figures.full_passes == 60
        assert 20 <= figures.passes <= 20 + 2 + 8 + 14
        assert figures.pass_share == figures.passes / 60


def test_limits_cover_every_layer_and_moment(model: Model, subjects: list[Subject]) -> None:
    policy = measure_policy(model, subjects[:1], 6, lambda items, _: items)
    assert set(policy.limits) == {"semantic", "structure", "texture"}
    joins = [point for point in policy.points if point.layer == "texture" and point.joins]
    assert [round(point.moment * 6) for point in joins] == [1, 2, 3, 4, 5]
    # After the first step a run cannot be rewound, and a run that a layer joins late still ends.
    assert min(point.moment for point in policy.points if not point.joins) > min(point.moment for point in joins)
    assert all(0 <= point.similarity <= 1 for point in policy.points)
