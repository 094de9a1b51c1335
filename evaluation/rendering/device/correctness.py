"""Whether a model draws the same picture again, in a batch, and on a second device."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluation.rendering.device.figures import Figures, difference
from receiver.rendering.selftest import draw_test_picture
from receiver.rendering.settings.performance import Performance

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


def compare_batches(model: "Model", plain: NDArray[np.int16]) -> Figures:
    """Compare pictures drawn again and in a batch of three; with graphs the second drawing replays the first's.

    Args:
        model: the model, run in the way to check.
        plain: the test picture by the same model on plain torch, (H, W, 3).
    """
    first = draw_test_picture(model)
    return {
        "again_the_same": bool(np.array_equal(first, draw_test_picture(model))),
        "from_plain": difference(first, plain),
        "in_a_batch_of_3": difference(draw_test_picture(model, others=2), first),
        # A picture without contrast would make every difference small.
        "contrast": round(float(first.std()), 2),
    }


def compare_second_device(model: "Model", plain: NDArray[np.int16]) -> Figures:
    """Capture graphs on another device than the current one; arguments as in `compare_batches`."""
    import torch

    from receiver.rendering import load_model

    if torch.cuda.device_count() < 2:
        return {"skipped": "this machine has one CUDA device"}
    dtype = str(model.dtype).removeprefix("torch.")
    other = load_model(model.name, "cuda:1", dtype=dtype, performance=Performance.GRAPHS, settings=model.settings)
    return {"from_plain": difference(draw_test_picture(other), plain)}
