"""The report of `layercast models check --report`: what a model does on one device, for the first day with a GPU.

In this order: what would give wrong pictures, how fast it is and where the seconds go, and what happens when the memory
is full. Each part is measured by itself; an error in one is reported in its place.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codec.layers import Priors
from evaluation.rendering.report import describe_device
from evaluation.rendering.speed import stock_pipeline
from evaluation.rendering.subjects import Subject
from receiver.rendering.selftest import draw_test_picture, make_test_priors
from receiver.rendering.settings.performance import Performance

if TYPE_CHECKING:
    from receiver.rendering.engine.counters import EngineCounters
    from receiver.rendering.frames import Frame
    from receiver.rendering.models.model import Model

#: Pictures rendered at once to measure the throughput, on an accelerator and on a CPU.
CROWD, CPU_CROWD = 32, 4

#: Single pictures that count, and the longest wait for one, in seconds.
ROUNDS, PATIENCE_S = 3, 300.0

#: Memory that is left free to provoke a full device, in bytes.
_LEFT_FREE = 900_000_000

#: The figures of one part of the report, by name.
Figures = dict[str, Any]


def measure_device(model: "Model", *, crowd: int | None = None, rounds: int = ROUNDS) -> Iterator[tuple[str, Figures]]:
    """Measure a model, and yield each part of the report as soon as it is done: its name and its figures.

    Args:
        model: loaded as `Performance.PLAIN`, on the device to check.
        crowd: pictures rendered at once to measure the throughput; None for `CROWD` or `CPU_CROWD`.
        rounds: single pictures that count.
    """
    from receiver.rendering.backends.choice import with_performance

    cuda = model.device.type == "cuda"
    crowd = crowd or (CPU_CROWD if model.device.type == "cpu" else CROWD)
    yield "device", _device(model)
    plain = draw_test_picture(model)
    yield "batches", _guarded(lambda: _batches(model, plain))
    ways = {"plain": model}
    if cuda and not model.controlnets:
        with suppress(Exception):
            ways["graphs"] = with_performance(model, Performance.GRAPHS)
        yield "graphs", _guarded(lambda: _batches(ways["graphs"], plain))
        yield "second device", _guarded(lambda: _second_device(model, plain))
    else:
        yield "graphs", {"skipped": "CUDA graphs need a CUDA device and a model without ControlNets"}
    for name, way in ways.items():
        yield f"speed, {name}", _guarded(lambda way=way: _speed(way, crowd, rounds))  # type: ignore[misc]
    yield "stock pipeline", _guarded(lambda: _stock(model, rounds))
    yield "full memory", _guarded(lambda: _full_memory(model)) if cuda else {"skipped": "needs a CUDA device"}


def _guarded(measure: Callable[[], Figures]) -> Figures:
    """Return the figures, or the error in their place."""
    try:
        return measure()
    # A part that fails is a finding; the others still count.
    except Exception as error:
        return {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}


def _device(model: "Model") -> Figures:
    import diffusers
    import torch

    figures: Figures = {
        "name": describe_device(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
    }
    if model.device.type == "cuda":
        properties = torch.cuda.get_device_properties(model.device)
        figures |= {"memory_gb": round(properties.total_memory / 1e9, 1), "devices": torch.cuda.device_count()}
    return figures


def _difference(picture: NDArray[np.int16], other: NDArray[np.int16]) -> Figures:
    """Return how far two pictures differ, in levels of 255; single pixels say little in half precision."""
    distance = np.abs(picture - other)
    return {
        "mean": round(float(distance.mean()), 4),
        "p99_9": round(float(np.percentile(distance, 99.9)), 2),
        "most": int(distance.max()),
    }


def _batches(model: "Model", plain: NDArray[np.int16]) -> Figures:
    """Compare pictures drawn again and in a batch of three; with graphs the second drawing replays the first's."""
    first = draw_test_picture(model)
    return {
        "again_the_same": bool(np.array_equal(first, draw_test_picture(model))),
        "from_plain": _difference(first, plain),
        "in_a_batch_of_3": _difference(draw_test_picture(model, others=2), first),
    }


def _second_device(model: "Model", plain: NDArray[np.int16]) -> Figures:
    """Capture graphs on another device than the current one."""
    import torch

    from receiver.rendering import load_model

    if torch.cuda.device_count() < 2:
        return {"skipped": "this machine has one CUDA device"}
    dtype = str(model.dtype).removeprefix("torch.")
    other = load_model(model.name, "cuda:1", dtype=dtype, performance=Performance.GRAPHS, settings=model.settings)
    return {"from_plain": _difference(draw_test_picture(other), plain)}


def _speed(model: "Model", crowd: int, rounds: int) -> Figures:
    """Measure first and whole frames of single pictures, the throughput of many, and the seconds of each part."""
    from receiver.rendering.engine.engine import Engine

    priors = make_test_priors(model.settings.native)
    with Engine(model) as engine:
        singles = [_one_picture(engine.submit, priors, number) for number in range(rounds + 1)][1:]
        before, started = engine.counters, time.perf_counter()
        futures = [
            engine.submit(("crowd", number), priors, number, lambda _: None, session=number % 4)
            for number in range(crowd)
        ]
        for future in futures:
            future.result(PATIENCE_S)
        elapsed, after = time.perf_counter() - started, engine.counters
    first, whole = (statistics.median(times) for times in zip(*singles, strict=True))
    return {
        "steps": model.settings.steps,
        "first_frame_ms": round(1000 * first, 1),
        "whole_ms": round(1000 * whole, 1),
        "pictures_per_second": round(crowd / elapsed, 2),
        "crowd": crowd,
        "seconds": {"elapsed": round(elapsed, 3)} | _seconds(before, after),
        "pictures_per_pass": round((after.steps - before.steps) / max(1, after.passes - before.passes), 2),
    }


def _seconds(before: "EngineCounters", after: "EngineCounters") -> dict[str, float]:
    names = ("preparing_s", "stepping_s", "decoding_s", "finishing_s")
    return {name.removesuffix("_s"): round(getattr(after, name) - getattr(before, name), 3) for name in names}


def _one_picture(submit: Callable[..., Any], priors: Priors, key: int) -> tuple[float, float]:
    """Return the seconds to the first frame and to the last."""
    started = time.perf_counter()
    shown: list[float] = []

    def on_frame(_: "Frame") -> None:
        shown.append(time.perf_counter() - started)

    submit(("single", key), priors, key, on_frame).result(PATIENCE_S)
    return shown[0], shown[-1]


def _stock(model: "Model", rounds: int) -> Figures:
    """Time diffusers' own pipeline on the same device, with the same weights, steps and noise."""
    priors = make_test_priors(model.settings.native)
    blank = np.zeros((priors.canvas[1], priors.canvas[0], 3), np.uint8)
    draw = stock_pipeline(model, Subject("test picture", blank, priors, 0), model.settings.steps)
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        draw()
        times.append(time.perf_counter() - started)
    return {"whole_ms": round(1000 * statistics.median(times[1:]), 1)}


def _full_memory(model: "Model") -> Figures:
    """Fill the device but for a little, render a batch, free it, and render again."""
    import torch

    from receiver.rendering.engine.engine import Engine

    unseen = replace(model, settings=replace(model.settings, steps=min(4, model.settings.steps)))
    priors = make_test_priors(model.settings.native)
    with Engine(unseen, batch=4) as engine:
        engine.submit("warm up", priors, 0, lambda _: None).result(PATIENCE_S)
        torch.cuda.empty_cache()
        idle = torch.cuda.memory_allocated(model.device)
        free, _ = torch.cuda.mem_get_info(model.device)
        filled = torch.empty(max(0, free - _LEFT_FREE), dtype=torch.uint8, device=model.device)
        futures = [engine.submit(number, priors, number, lambda _: None) for number in range(4)]
        results = [type(error).__name__ if (error := future.exception(PATIENCE_S)) else "done" for future in futures]
        del filled
        torch.cuda.empty_cache()
        held = torch.cuda.memory_allocated(model.device) - idle
        alive = engine.submit("after", priors, 1, lambda _: None).result(PATIENCE_S).final
    return {"results": results, "held_by_errors_mb": round(held / 1e6, 1), "renders_afterwards": alive}
