"""The engine's overhead over the bare UNet, and its speed relative to a stock diffusers pipeline."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from codec.layers import Layer, Priors
from evaluation.rendering.runs import RunDriver
from evaluation.rendering.stock import as_stock, stock_pipeline
from evaluation.rendering.subjects import Subject

if TYPE_CHECKING:
    from receiver.rendering.frames import Frame
    from receiver.rendering.models.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedFigures:
    """Medians over interleaved rounds, so that other load on the machine affects all figures alike. Times in seconds.

    Attributes:
        steps: steps of a run.
        bare_s: one UNet forward pass with the engine's own inputs.
        engine_s: one step of the engine, including the work around the UNet.
        engine_share: `engine_s` over `bare_s`.
        first_s: from submitting a picture to its first frame, in an engine.
        parts_s: the bare parts of that: conditions, the steps up to the frame, and one decoding.
        first_share: `first_s` over `parts_s`.
        text_s: from submitting the prompt alone to its first frame, in an engine.
        whole_s: a picture from priors to its last frame, without fitting it to the received colours and edges.
        stock_s: the same by diffusers' own T2I-Adapter pipeline on plain torch, with the same weights, steps and noise.
        stock_share: `stock_s` over `whole_s`; above 1 the stock pipeline is slower.
    """

    steps: int
    bare_s: float
    engine_s: float
    engine_share: float
    first_s: float
    parts_s: float
    first_share: float
    text_s: float
    whole_s: float
    stock_s: float
    stock_share: float


def measure_speed(model: "Model", subject: Subject, steps: int, rounds: int) -> SpeedFigures:
    """Render one picture with all its layers repeatedly, each way in turn.

    Args:
        model: the model to measure.
        subject: the picture.
        steps: steps of a run.
        rounds: rounds that count; one more is run first to warm up.

    Raises:
        RenderError: the model has no adapter for any layer of the picture.
    """
    driver = RunDriver(model, steps)
    text, seeds = subject.priors.only([Layer.SEMANTIC]), count()
    stock = stock_pipeline(_run_plainly(model), subject, steps)
    ways: dict[str, Callable[[], float]] = {
        "bare": lambda: _bare_forward(driver, subject),
        "engine": lambda: _engine_step(driver.model, subject, steps),
        "first": lambda: _first_frame(model, subject.priors, subject.seed, steps),
        # Another seed each time: a model with a retrieval index decodes another picture for the prompt.
        "text": lambda: _first_frame(model, text, next(seeds), steps),
        "parts": lambda: _bare_parts(model, subject, steps),
        "whole": lambda: _timed(lambda: RunDriver(as_stock(model), steps).draw(subject.priors, subject.seed)),
        "stock": lambda: _timed(stock),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, measure in ways.items():
            elapsed = measure()
            # The first round includes one-time costs: choosing kernels and allocating memory.
            if number:
                times[name].append(elapsed)
    middle = {name: statistics.median(values) for name, values in times.items()}
    return SpeedFigures(
        steps=steps,
        bare_s=middle["bare"],
        engine_s=middle["engine"],
        engine_share=statistics.median(e / b for e, b in zip(times["engine"], times["bare"], strict=True)),
        first_s=middle["first"],
        parts_s=middle["parts"],
        text_s=middle["text"],
        first_share=statistics.median(f / p for f, p in zip(times["first"], times["parts"], strict=True)),
        whole_s=middle["whole"],
        stock_s=middle["stock"],
        stock_share=statistics.median(s / w for s, w in zip(times["stock"], times["whole"], strict=True)),
    )


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def wait_for(device: Any) -> None:
    """Wait until an accelerator has finished its queued work."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _bare_forward(driver: RunDriver, subject: Subject) -> float:
    """Return the median time of as many forward passes as a run has steps."""
    import torch

    from receiver.rendering.sampling.passes import unet_inputs

    model, job = driver.model, driver.begin(subject.priors, subject.seed)
    times = []
    with torch.inference_mode():
        inputs = unet_inputs(model, [job.run])
        for _ in range(driver.steps):
            started = time.perf_counter()
            inputs.forward(model)
            wait_for(model.device)
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def _engine_step(model: "Model", subject: Subject, steps: int) -> float:
    """Return the mean time of a step in an engine that renders one picture."""
    from receiver.rendering.engine.engine import Engine

    with Engine(model, batch=1) as engine:
        engine.submit("picture", subject.priors, subject.seed, _ignore, steps).result()
        return engine.counters.stepping_s / engine.counters.passes


def _first_frame(model: "Model", priors: Priors, seed: int, steps: int) -> float:
    from receiver.rendering.engine.engine import Engine

    shown: list[float] = []
    with Engine(model) as engine:
        started = time.perf_counter()
        engine.submit("picture", priors, seed, lambda _: shown.append(time.perf_counter() - started), steps).result()
    return shown[0]


def _bare_parts(model: "Model", subject: Subject, steps: int) -> float:
    """Measure the parts of a first frame, one after the other."""
    import torch

    from receiver.rendering.output.decoding import decode_pixels
    from receiver.rendering.sampling.conditioning import Conditioner
    from receiver.rendering.sampling.passes import unet_inputs
    from receiver.rendering.sampling.sampler import DenoisingRun

    started = time.perf_counter()
    conditioner, priors = Conditioner(model), subject.priors
    size = conditioner.size(priors.canvas)
    run = DenoisingRun(model, conditioner.prepare(priors), size=size, seed=subject.seed, steps=steps)
    with torch.inference_mode():
        inputs = unet_inputs(model, [run])
        for _ in range(min((step for step in model.settings.previews if step < steps), default=steps)):
            inputs.forward(model)
    decode_pixels(model, run.sample, final=False)
    wait_for(model.device)
    return time.perf_counter() - started


def _ignore(frame: "Frame") -> None:
    pass


def _run_plainly(model: "Model") -> "Model":
    """Return the same model on plain torch, as a stock pipeline runs it."""
    from receiver.rendering import Performance, load_model

    if model.performance is Performance.PLAIN:
        return model
    dtype = str(model.dtype).removeprefix("torch.")
    return load_model(
        model.name, str(model.device), dtype=dtype, performance=Performance.PLAIN, settings=model.settings
    )
