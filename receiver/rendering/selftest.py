"""Check that a model renders the same picture in every way of running it on this machine, and find the fastest.

Noise comes from an integer generator on the CPU, so all devices start from the same noise. Floating-point sums differ
in their last digits. The permitted differences, in levels of 255:

                                           mean    in a batch with others: mean, 99.9th percentile
    again, same device and way             none
    float32 on another device or runtime   0.5     0.05, 2
    float16                                4       1, 16
    bfloat16                               10      2.5, 40

A batch of another size may run other kernels, which add in another order. What that changes is rounding, at most as
much as the number format itself changes the picture: so a quarter of the format's mean is permitted, and four times the
mean at all but one value in a thousand. The largest difference of all says nothing: guidance multiplies rounding, and
among 786,432 values of a picture of 512 pixels one is always far out. A picture mixed up with its neighbours in the
batch differs by tens of levels on average.

The reference is plain float32 on the CPU, after as many steps as the model takes, at most `CHECK_STEPS`.
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

#: Largest mean difference that counts as agreement, in levels of 255, by number format.
TOLERANCES = {"float32": 0.5, "float16": 4.0, "bfloat16": 10.0}

#: Largest mean and 99.9th percentile of the difference between a picture alone and in a batch, by number format.
BATCH_TOLERANCES = {"float32": (0.05, 2.0), "float16": (1.0, 16.0), "bfloat16": (2.5, 40.0)}

#: The percentile of differences that is compared.
PERCENTILE = 99.9


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceCheck:
    """The result of trying one way of running a model.

    Attributes:
        performance: name of the way.
        dtype: number format.
        device: the device it ran on.
        step_s: median seconds of a step.
        difference: mean difference of the picture from the reference, in levels of 255.
        tolerance: largest permitted `difference`.
        repeats: whether rendering the picture twice gives identical pixels.
        batch_mean: mean difference between the picture alone and in a batch, in levels of 255.
        batch_difference: 99.9th percentile of that difference.
        problem: the error that stopped the trial; empty if there was none.
    """

    performance: str
    dtype: str = ""
    device: str = ""
    step_s: float = 0.0
    difference: float = 0.0
    tolerance: float = 0.0
    repeats: bool = False
    batch_mean: float = 0.0
    batch_difference: float = 0.0
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether pictures rendered this way match the reference."""
        mean, most = BATCH_TOLERANCES[self.dtype or "float32"]
        near = self.difference <= self.tolerance and self.batch_mean <= mean and self.batch_difference <= most
        return not self.problem and self.repeats and near


def available_performances(device: str) -> list[Performance]:
    """Return the ways of running a model that the device and the installed libraries allow.

    Args:
        device: type of a torch device, such as "cpu" or "cuda".
    """
    performances = [Performance.PLAIN]
    if device == "cpu" and find_spec("openvino"):
        performances.append(Performance.OPENVINO)
    if device == "cuda":
        performances.append(Performance.GRAPHS)
    return performances


def check_performances(plain: "Model", performances: Sequence[Performance]) -> Iterator[PerformanceCheck]:
    """Try each way of running a model; an error in one way is reported in its result.

    Args:
        plain: the model on the device to check, run as `Performance.PLAIN`.
        performances: the ways to try.

    Raises:
        LayercastError: the reference cannot be loaded or rendered.
    """
    from receiver.rendering.backends.choice import with_performance

    reference = draw_test_picture(_reference(plain))
    for performance in performances:
        try:
            yield _check(with_performance(plain, performance), reference)
        # An error in one runtime must not stop the check of the others.
        except (LayercastError, RuntimeError, ImportError) as error:
            problem = (str(error).splitlines() or [type(error).__name__])[0]
            yield PerformanceCheck(performance=performance, problem=problem)


def fastest(checked: Sequence[PerformanceCheck]) -> Performance:
    """Return the fastest way that agrees with the reference; PLAIN if none does."""
    agreeing = [check for check in checked if check.agrees]
    return Performance(min(agreeing, key=lambda check: check.step_s).performance) if agreeing else Performance.PLAIN


def _reference(model: "Model") -> "Model":
    """Return the same model in plain float32 on the CPU."""
    import torch

    if model.dtype is torch.float32 and model.device.type == "cpu":
        return model
    from receiver.rendering.loader import load_model

    plain = Performance.PLAIN
    return load_model(
        model.name, "cpu", dtype="float32", performance=plain, settings=model.settings, tuning=model.tuning
    )


def _check(model: "Model", reference: NDArray[np.int16]) -> PerformanceCheck:
    dtype = str(model.dtype).removeprefix("torch.")
    first = draw_test_picture(model)
    started = time.perf_counter()
    again = draw_test_picture(model)
    elapsed = time.perf_counter() - started
    apart = np.abs(draw_test_picture(model, others=2) - first)
    return PerformanceCheck(
        performance=model.performance,
        dtype=dtype,
        device=str(model.device),
        step_s=_step_seconds(model) or elapsed,
        difference=float(np.abs(first - reference).mean()),
        tolerance=TOLERANCES[dtype],
        repeats=bool(np.array_equal(first, again)),
        batch_mean=float(apart.mean()),
        batch_difference=float(np.percentile(apart, PERCENTILE)),
    )


def _steps(model: "Model") -> int:
    return min(CHECK_STEPS, model.settings.steps)


def draw_test_picture(model: "Model", others: int = 0) -> NDArray[np.int16]:
    """Render the test picture, (H, W, 3), together with `others` more in the same passes."""
    from receiver.rendering.engine.jobs.denoising_job import DenoisingJob
    from receiver.rendering.sampling.conditioning import Conditioner
    from receiver.rendering.sampling.passes import advance

    # Fitting the colours would hide differences.
    bare = replace(model, settings=replace(model.settings, previews=(), color_fit=False))
    conditioner, priors = Conditioner(bare), make_test_priors(model.settings.native)
    jobs = [
        DenoisingJob(bare, conditioner, priors, seed=seed, steps=_steps(model), clock=time.monotonic)
        for seed in range(1 + others)
    ]
    while not jobs[0].run.finished:
        advance(bare, [job.run for job in jobs])
    draft = jobs[0].draft_frame()
    assert draft is not None
    return np.asarray(draft.draw(bare).image, np.int16)


def _step_seconds(model: "Model") -> float:
    from receiver.rendering.sampling.conditioning import Conditioner
    from receiver.rendering.sampling.passes import advance
    from receiver.rendering.sampling.sampler import DenoisingRun

    conditioner, priors = Conditioner(model), make_test_priors(model.settings.native)
    run = DenoisingRun(
        model, conditioner.prepare(priors), size=conditioner.size(priors.canvas), seed=0, steps=_steps(model)
    )
    times = []
    while not run.finished:
        started = time.perf_counter()
        advance(model, [run])
        # Reading a number waits for the device.
        float(run.sample.flatten()[0])
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def make_test_priors(side: int) -> Priors:
    """Return the layers of the test picture, a ring over a gradient.

    Args:
        side: of the square canvas, in pixels.
    """
    canvas = (side, side)
    rows, columns = np.mgrid[0:32, 0:32]
    ring = np.abs(np.hypot(rows - 15.5, columns - 15.5) - 10) < 0.7
    ramp = np.linspace(40, 215, 4).astype(np.uint8)
    colors = np.stack([*np.meshgrid(ramp, ramp, indexing="ij"), np.full((4, 4), 128, np.uint8)], axis=-1)
    return Priors(canvas, Semantic("a test picture, a ring"), EdgeMap(ring, canvas), ColorMap(colors, canvas))
