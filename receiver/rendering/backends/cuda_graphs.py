"""Run a UNet as CUDA graphs: one launch for a whole step instead of one per kernel.

A Stable Diffusion UNet has about 900 kernels. For one picture, a modern GPU runs them faster than a CPU can launch
them.

`torch.cuda.make_graphed_callables` and `torch.compile(mode="reduce-overhead")` do similar work. They are not used
because no measurement on a GPU shows yet that they are as fast. The first captures a single shape of inputs, and the
second also compiles kernels, for about a minute per shape; this module keeps graphs of several shapes in one memory
pool.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

#: Graphs that are cached, each for one shape of inputs; they share one pool of memory.
MAX_GRAPHS = 8

#: Forward passes before a capture, so that libraries choose their kernels first.
WARM_UP = 3


class GraphedUnet:
    """Replaces the UNet: captures a graph for every new shape of inputs, and replays it on later calls."""

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
        """Run one forward pass; the result is a copy that the caller may keep."""
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
    """One captured graph, with its fixed input and output tensors."""

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

        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(WARM_UP):
                forward()
        torch.cuda.current_stream().wait_stream(side_stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._output = forward()

    def replay(self, inputs: list[Tensor]) -> Tensor:
        for fixed, tensor in zip(self._inputs, inputs, strict=True):
            fixed.copy_(tensor)
        self._graph.replay()
        return self._output.clone()
