"""What happens when a device's memory is full: do pictures come out, and is the memory free again afterwards?"""

from dataclasses import replace
from typing import TYPE_CHECKING

from evaluation.rendering.device.figures import PATIENCE_S, Figures
from receiver.rendering.selftest import make_test_priors

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Memory that is left free to provoke a full device, in megabytes: the less, the more fails.
LEFT_FREE_MB = (900, 300, 60)

#: Pictures that are rendered at once.
_PICTURES = 4


def fill_memory(model: "Model", left_mb: int) -> Figures:
    """Fill the device but for `left_mb` megabytes, render a batch, free it, and render again."""
    import torch

    from receiver.rendering.engine.engine import Engine

    unseen = replace(model, settings=replace(model.settings, steps=min(4, model.settings.steps)))
    priors, device = make_test_priors(model.settings.native), model.device
    with Engine(unseen, batch=_PICTURES) as engine:
        engine.submit("warm up", priors, 0, lambda _: None).result(PATIENCE_S)
        torch.cuda.empty_cache()
        idle, failed = torch.cuda.memory_allocated(device), _failed_allocations(device)
        before = engine.counters
        free, _ = torch.cuda.mem_get_info(device)
        filled = torch.empty(max(0, free - left_mb * 1_000_000), dtype=torch.uint8, device=device)
        futures = [engine.submit(number, priors, number, lambda _: None) for number in range(_PICTURES)]
        results = [type(error).__name__ if (error := future.exception(PATIENCE_S)) else "done" for future in futures]
        after = engine.counters
        failed = _failed_allocations(device) - failed
        del filled
        torch.cuda.empty_cache()
        held = torch.cuda.memory_allocated(device) - idle
        alive = engine.submit("after", priors, 1, lambda _: None).result(PATIENCE_S).final
    return {
        "results": results,
        "out_of_memory_errors": failed,
        "passes": after.passes - before.passes,
        "frames": after.frames - before.frames,
        "held_by_errors_mb": round(held / 1e6, 1),
        "renders_afterwards": alive,
    }


def _failed_allocations(device: object) -> int:
    """Return how often torch ran out of memory on a device in this process."""
    import torch

    return int(torch.cuda.memory_stats(device).get("num_ooms", 0))  # type: ignore[arg-type]
