"""A picture through all its levels, each from noise or from the level before: passes and seconds side by side."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from codec.layers import ColorMap, Layer, Priors
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, texture_plane, to_channels
from evaluation.rendering.device.figures import Figures
from evaluation.rendering.runs import RunDriver
from receiver.rendering.selftest import make_test_priors
from receiver.rendering.settings.start_plan import FROM_NOISE, USUAL_STARTS, StartPlan

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Bit planes of the test picture below those of the texture layer.
_DETAIL_PLANES = 2


def compare_level_starts(model: "Model") -> Figures:
    """Draw the test picture level by level; both kinds of colours: a grid of cells, and bit planes with detail."""
    plain = make_test_priors(model.settings.native)
    plan = USUAL_STARTS if model.settings.starts == FROM_NOISE else model.settings.starts
    figures: Figures = {"steps": model.settings.steps}
    for kind, priors in (("colour grid", plain), ("bit planes", _with_planes(plain))):
        figures[kind] = {
            "from noise": _draw_levels(model, priors, FROM_NOISE),
            "from the level before": _draw_levels(model, priors, plan),
        }
    return figures


def _draw_levels(model: "Model", priors: Priors, plan: StartPlan) -> Figures:
    """Return the UNet passes and milliseconds of each level, and of all."""
    driver = RunDriver(replace(model, settings=replace(model.settings, starts=plan)), model.settings.steps)
    # The first picture pays one-time costs: choosing kernels, capturing graphs, compiling functions.
    driver.draw(priors, 1)
    figures: Figures = {}
    earlier, known, total = None, set[Layer](), 0.0
    for layer in sorted(priors.layers):
        known.add(layer)
        before, started = driver.passes, time.perf_counter()
        job = driver.begin(priors.only(known), 0, earlier=earlier)
        driver.finish(job)
        taken = time.perf_counter() - started
        earlier = job.finished_picture()
        total += taken
        figures[layer.name.lower()] = {"passes": driver.passes - before, "ms": round(1000 * taken, 1)}
    passes = sum(level["passes"] for level in figures.values())
    return figures | {"all": {"passes": passes, "ms": round(1000 * total, 1)}}


def _with_planes(priors: Priors) -> Priors:
    """Return the test picture with its colours as bit planes, down to `_DETAIL_PLANES` below those of the texture."""
    assert priors.texture is not None
    coefficients = np.asarray(forward(to_channels(priors.texture.to_image())), np.float32)
    last = np.full(coefficients.shape, texture_plane(*priors.canvas) - _DETAIL_PLANES, np.int8)
    plane = Plane.of(coefficients, last)
    side = max(priors.texture.colors.shape[:2])
    return replace(priors, texture=ColorMap(plane.colors(side), priors.canvas), plane=plane)
