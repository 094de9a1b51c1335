"""A UNet as CUDA graphs: a step is launched as a whole, not kernel by kernel.

A Stable Diffusion UNet is some 900 kernels; at one picture a modern GPU does them faster than a CPU can launch them.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

#: Graphs that are kept, each for one shape of inputs; they share one pool of memory.
MAX_GRAPHS = 8

#: Forwards before a capture, for libraries to choose their kernels.
WARM_UP = 3


class GraphedUnet:
    """Called like the UNet; captures a graph for every new shape of inputs and replays it from then on."""

    def __init__(self, unet: Any) -> None:
        self.config = unet.config
        self._unet = unet
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: OrderedDict[tuple[Any, ...], _Graph] = OrderedDict()

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        *,
        encoder_hidden_states: Tensor,
        down_intrablock_additional_residuals: list[Tensor] | None = None,
        added_cond_kwargs: dict[str, Tensor] | None = None,
        **_: object,
    ) -> tuple[Tensor]:
        """One forward; the tensor that comes out is the caller's own."""
        features = down_intrablock_additional_residuals or []
        inputs = [sample, timestep, encoder_hidden_states, *features, *(added_cond_kwargs or {}).values()]
        key = tuple(tuple(tensor.shape) for tensor in inputs)
        if key not in self._graphs:
            if len(self._graphs) >= MAX_GRAPHS:
                self._graphs.popitem(last=False)
            self._graphs[key] = _Graph(self._unet, inputs, len(features), tuple(added_cond_kwargs or ()), self._pool)
        self._graphs.move_to_end(key)
        return (self._graphs[key].replay(inputs),)


class _Graph:
    def __init__(self, unet: Any, inputs: list[Tensor], features: int, added: tuple[str, ...], pool: Any) -> None:
        self._inputs = [tensor.clone(memory_format=torch.preserve_format) for tensor in inputs]

        def forward() -> Tensor:
            sample, timestep, text, *rest = self._inputs
            output = unet(
                sample,
                timestep,
                encoder_hidden_states=text,
                down_intrablock_additional_residuals=list(rest[:features]) or None,
                added_cond_kwargs=dict(zip(added, rest[features:], strict=True)) or None,
                return_dict=False,
            )
            return torch.as_tensor(output[0])

        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                forward()
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._output = forward()

    def replay(self, inputs: list[Tensor]) -> Tensor:
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._output.clone()
