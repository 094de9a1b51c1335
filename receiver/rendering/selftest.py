"""Does a model draw the same picture from the same stream, here as elsewhere, and which way of running it is fastest?

Noise comes from an integer generator on the CPU, so every device starts alike. Sums differ in their last digits:

    again, same device and way             not at all
    in a batch with others                 mean 0.05 levels of 255, at most 2
    float32 on another device or runtime   mean 0.5
    float16                                mean 4
    bfloat16                               mean 10

All are held against plain float32 on the CPU, after as many steps as the model takes, `CHECK_STEPS` at most.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.layers import ColorMap, EdgeMap, Priors, Semantic
from layercast_common.errors import LayercastError
from receiver.rendering.settings.performance import Performance

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Steps of a check: enough for differences to add up, few enough for a full-size model on a CPU.
CHECK_STEPS = 4

#: Largest mean difference that agrees, in levels of 255, by number format.
TOLERANCES = {"float32": 0.5, "float16": 4.0, "bfloat16": 10.0}

#: Largest mean and single difference between a picture alone and in a batch.
BATCH_MEAN, BATCH_MOST = 0.05, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WayChecked:
    """One way of running a model.

    Attributes:
        performance: its name.
        dtype: number format.
        device: where.
        step_s: median seconds of a step.
        difference: mean difference of the picture from plain float32 on the CPU, in levels of 255.
        tolerance: what it may be.
        repeats: whether a second picture is the very same.
        batch_difference: largest difference of a picture drawn in a batch, in levels of 255.
        problem: why it could not be tried; empty if it could.
    """

    performance: str
    dtype: str = ""
    device: str = ""
    step_s: float = 0.0
    difference: float = 0.0
    tolerance: float = 0.0
    repeats: bool = False
    batch_difference: float = 0.0
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether pictures drawn this way are those that others draw."""
        near = self.difference <= self.tolerance and self.batch_difference <= max(BATCH_MOST, self.tolerance)
        return not self.problem and self.repeats and near


def ways_to_try(device: str) -> list[Performance]:
    """The ways of running a model that make sense on a kind of device, with what is installed."""
    ways = [Performance.PLAIN]
    if device == "cpu" and find_spec("openvino"):
        ways.append(Performance.OPENVINO)
    if device == "cuda":
        ways.append(Performance.GRAPHS)
    return ways


def check_ways(plain: "Model", ways: Sequence[Performance]) -> Iterator[WayChecked]:
    """Try each way of running a model.

    Args:
        plain: the model on the device to check, run plainly.
    """
    from receiver.rendering.backends.choice import with_performance

    reference = _draw(_reference(plain))
    for way in ways:
        try:
            yield _check(with_performance(plain, way), reference)
        # Whatever a runtime stumbles over, the others are still worth trying.
        except (LayercastError, RuntimeError, ImportError) as error:
            yield WayChecked(performance=way, problem=(str(error).splitlines() or [type(error).__name__])[0])


def fastest(checked: Sequence[WayChecked]) -> Performance:
    """The fastest way that agrees; plain if none does."""
    agreeing = [way for way in checked if way.agrees]
    return Performance(min(agreeing, key=lambda way: way.step_s).performance) if agreeing else Performance.PLAIN


def _reference(model: "Model") -> "Model":
    """The same model in plain float32 on the CPU."""
    import torch

    if model.dtype is torch.float32 and model.device.type == "cpu":
        return model
    from receiver.rendering.loader import load_model

    return load_model(model.name, "cpu", dtype="float32", performance=Performance.PLAIN, settings=model.settings)


def _check(model: "Model", reference: NDArray[np.int16]) -> WayChecked:
    dtype = str(model.dtype).removeprefix("torch.")
    first = _draw(model)
    began = time.perf_counter()
    again = _draw(model)
    taken = time.perf_counter() - began
    return WayChecked(
        performance=model.performance,
        dtype=dtype,
        device=str(model.device),
        step_s=_step_seconds(model) or taken,
        difference=float(np.abs(first - reference).mean()),
        tolerance=TOLERANCES[dtype],
        repeats=bool(np.array_equal(first, again)),
        batch_difference=float(np.abs(_draw(model, others=2) - first).max()),
    )


def _steps(model: "Model") -> int:
    return min(CHECK_STEPS, model.settings.steps)


def _draw(model: "Model", others: int = 0) -> NDArray[np.int16]:
    """The test picture, (H, W, 3); with `others` drawn in the same passes."""
    from receiver.rendering.engine.job import RenderJob
    from receiver.rendering.sampling.conditioning import Conditioner
    from receiver.rendering.sampling.sampler import advance

    # Exact colours would hide what differs.
    bare = replace(model, settings=replace(model.settings, previews=(), color_fit=False))
    conditioner, priors = Conditioner(bare), make_test_priors(model.settings.native)
    jobs = [
        RenderJob(bare, conditioner, priors, seed=seed, steps=_steps(model), clock=time.monotonic)
        for seed in range(1 + others)
    ]
    while not jobs[0].run.finished:
        advance(bare, [job.run for job in jobs])
    frame = jobs[0].draw_frame()
    assert frame is not None
    return np.asarray(frame.image, np.int16)


def _step_seconds(model: "Model") -> float:
    from receiver.rendering.sampling.conditioning import Conditioner
    from receiver.rendering.sampling.sampler import DenoisingRun, advance

    conditioner, priors = Conditioner(model), make_test_priors(model.settings.native)
    run = DenoisingRun(
        model, conditioner.prepare(priors), size=conditioner.size(priors.canvas), seed=0, steps=_steps(model)
    )
    times = []
    while not run.finished:
        began = time.perf_counter()
        advance(model, [run])
        # Reading a number waits for the device.
        float(run.sample.flatten()[0])
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def make_test_priors(side: int) -> Priors:
    """A picture with words, lines and colours, the same everywhere: a ring over a gradient."""
    canvas = (side, side)
    rows, columns = np.mgrid[0:32, 0:32]
    ring = np.abs(np.hypot(rows - 15.5, columns - 15.5) - 10) < 0.7
    ramp = np.linspace(40, 215, 4).astype(np.uint8)
    colors = np.stack([*np.meshgrid(ramp, ramp, indexing="ij"), np.full((4, 4), 128, np.uint8)], axis=-1)
    return Priors(canvas, Semantic("a test picture, a ring"), EdgeMap(ring, canvas), ColorMap(colors, canvas))
