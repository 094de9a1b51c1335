"""Offloading: a part is on the device only while it runs.

`accelerate.cpu_offload_with_hook` is not used. It moves a part to the device before its forward pass and leaves it
there until another hooked part runs, so while the UNet works, the memory would hold the last part as well. Also it does
not return an autoencoder to the CPU after `encode` and `decode`.
"""

from collections.abc import Callable
from typing import Any

import torch


class OffloadedModule:
    """Replaces a part of a model: moves it to the device for each call, and back to the CPU afterwards."""

    def __init__(self, part: Any, device: torch.device) -> None:
        self._part = part.to("cpu")
        self._device = device

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        return self._on_device(value) if name in ("encode", "decode") else value

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self._on_device(self._part)(*inputs, **named)

    def _on_device(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*inputs: Any, **named: Any) -> Any:
            self._part.to(self._device)
            try:
                return call(*inputs, **named)
            finally:
                self._part.to("cpu")

        return run
