"""A model beside diffusers' own pipeline on one device: time, and how far each is from the same picture in float32."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.rendering.device.figures import Figures, difference
from evaluation.rendering.runs import RunDriver
from evaluation.rendering.stock import as_stock, stock_pipeline
from evaluation.rendering.subjects import Subject
from receiver.rendering.selftest import make_test_priors
from receiver.rendering.settings.performance import Performance

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: A function that draws the test picture.
_Draw = Callable[[], Any]


def compare_with_stock(ways: Mapping[str, "Model"], rounds: int) -> Figures:
    """Time diffusers' own pipeline and each way of running the model; same weights, steps and noise, one picture each.

    In half precision the two round differently, and guidance multiplies that. Which of them is nearer to the picture
    in float32, drawn on the same device, says what the difference is worth.

    Args:
        ways: the model by the name of the way that it runs; "plain" is one of them.
        rounds: pictures that count.
    """
    model = ways["plain"]
    draws: dict[str, _Draw] = {"stock": _stock(model)} | {name: _ours(way) for name, way in ways.items()}
    figures: Figures = {"steps": model.settings.steps}
    pictures: dict[str, NDArray[np.int16]] = {}
    for name, draw in draws.items():
        times = []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            pictures[name] = np.asarray(draw(), np.int16)
            times.append(time.perf_counter() - started)
        figures[f"{name}_ms"] = round(1000 * statistics.median(times[1:]), 1)
    figures |= {f"{name}_from_stock": difference(pictures[name], pictures["stock"]) for name in ways}
    with _exact_float32():
        full = _in_float32(model)
        reference = np.asarray(_stock(full)(), np.int16)
        figures["float32_from_stock"] = difference(np.asarray(_ours(full)(), np.int16), reference)
    return figures | {f"{name}_from_float32": difference(picture, reference) for name, picture in pictures.items()}


def _stock(model: "Model") -> _Draw:
    priors = make_test_priors(model.settings.native)
    blank = np.zeros((priors.canvas[1], priors.canvas[0], 3), np.uint8)
    return stock_pipeline(model, Subject("test picture", blank, priors, 0), model.settings.steps)


def _ours(model: "Model") -> _Draw:
    driver = RunDriver(as_stock(model), model.settings.steps)
    return partial(driver.draw, make_test_priors(model.settings.native), 0)


def _in_float32(model: "Model") -> "Model":
    import torch

    from receiver.rendering import load_model

    if model.dtype is torch.float32:
        return model
    return load_model(
        model.name,
        str(model.device),
        dtype="float32",
        performance=Performance.PLAIN,
        settings=model.settings,
        tuning=model.tuning,
    )


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Let convolutions use all digits of float32 within the block; by default NVIDIA's keep ten bits, as float16."""
    from torch.backends import cudnn

    before = cudnn.allow_tf32
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32 = before
