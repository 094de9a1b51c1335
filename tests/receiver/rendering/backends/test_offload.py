"""Offloaded parts are on the device during calls only."""

from collections.abc import Callable

import pytest
import torch

from receiver.rendering.backends.offload import OffloadedModule


class Part:
    """Records moves and calls."""

    config = "config"

    def __init__(self) -> None:
        self.events: list[str] = []

    def to(self, device: object) -> "Part":
        self.events.append(str(device))
        return self

    def __call__(self, value: int) -> int:
        self.events.append("forward")
        return value + 1

    def decode(self, value: int) -> int:
        self.events.append("decode")
        if value < 0:
            raise ValueError("broken latents")
        return value + 2


@pytest.mark.parametrize(
    ("call", "name", "result"), [(lambda part: part(1), "forward", 2), (lambda part: part.decode(1), "decode", 3)]
)
def test_a_part_returns_to_the_cpu_after_each_call(
    call: Callable[[OffloadedModule], int], name: str, result: int
) -> None:
    part = Part()
    offloaded = OffloadedModule(part, torch.device("meta"))
    assert call(offloaded) == result
    assert call(offloaded) == result
    assert part.events == ["cpu", "meta", name, "cpu", "meta", name, "cpu"]


def test_a_part_returns_to_the_cpu_after_an_error() -> None:
    part = Part()
    with pytest.raises(ValueError, match="broken"):
        OffloadedModule(part, torch.device("meta")).decode(-1)
    assert part.events == ["cpu", "meta", "decode", "cpu"]


def test_attributes_are_the_parts_own() -> None:
    assert OffloadedModule(Part(), torch.device("meta")).config == "config"


def test_accelerates_hook_leaves_a_part_on_the_device() -> None:
    """The reason for `OffloadedModule`: a hook that returned the part to the CPU could replace it."""
    accelerate = pytest.importorskip("accelerate")
    _, hook = accelerate.cpu_offload_with_hook(torch.nn.Linear(2, 2), torch.device("cpu"))
    inner = hook.hook
    assert type(inner).post_forward is accelerate.hooks.ModelHook.post_forward
