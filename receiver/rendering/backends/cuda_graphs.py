"""Run a UNet as CUDA graphs: one launch for a whole step instead of one per kernel.

A Stable Diffusion UNet has about 900 kernels. For one picture, a modern GPU runs them faster than a CPU can launch
them.

A graph has fixed shapes. Batches are padded to 1, 2, 4, 8, ... rows, so that pictures which join and leave the batch do
not need new graphs. A simulation of three canvases with exact shapes and eight graphs spent 17 to 33 % of the device's
time on capturing. If a capture fails, that shape runs without a graph.

`torch.cuda.make_graphed_callables` and `torch.compile(mode="reduce-overhead")` do similar work. They are not used
because no measurement on a GPU shows yet that they are as fast. The first captures a single shape of inputs, and the
second also compiles kernels, for about a minute per shape; this module keeps graphs of several shapes in one memory
pool.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from receiver.rendering.models.memory import is_out_of_memory, release_memory

_log = logging.getLogger(__name__)

#: Graphs that are cached, each for one shape of inputs; they share one pool of memory.
MAX_GRAPHS = 32

#: Forward passes before a capture, so that libraries choose their kernels first.
WARM_UP = 3

#: A pass over fixed input tensors.
Forward = Callable[[list[Tensor]], Tensor]


class CapturedPass(Protocol):
    """A pass that was captured for one shape of inputs."""

    def replay(self, inputs: list[Tensor]) -> Tensor:
        """Run the pass on inputs of that shape; the result is a copy that the caller may keep."""


#: Captures a pass on a device, for inputs of the shape of these.
Capture = Callable[[Forward, list[Tensor], torch.device], CapturedPass]


class GraphedUnet:
    """Replaces the UNet: captures a graph for every new shape of inputs, and replays it on later calls."""

    def __init__(self, unet: Any, device: torch.device, capture: Capture | None = None) -> None:
        """Capture nothing yet.

        Args:
            unet: the UNet, on `device`.
            device: the CUDA device; graphs are captured and replayed on it, whichever is the current one.
            capture: makes graphs; None for CUDA's.
        """
        self.config = unet.config
        self._unet = unet
        self._device = device
        self._capture = capture or GraphPool(device).capture
        self._graphs: OrderedDict[tuple[Any, ...], CapturedPass | None] = OrderedDict()

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
        """Run one forward pass."""
        features = down_intrablock_additional_residuals or []
        names = tuple(added_cond_kwargs or ())
        rows = sample.shape[0]
        inputs = [sample, timestep, encoder_hidden_states, *features, *(added_cond_kwargs or {}).values()]
        padded = [pad_rows(tensor, bucket(rows)) for tensor in inputs]

        def forward(tensors: list[Tensor]) -> Tensor:
            first, times, text, *rest = tensors
            output = self._unet(
                first,
                times,
                encoder_hidden_states=text,
                down_intrablock_additional_residuals=list(rest[: len(features)]) or None,
                added_cond_kwargs=dict(zip(names, rest[len(features) :], strict=True)) or None,
                return_dict=False,
            )
            return torch.as_tensor(output[0])

        graph = self._graph_for(forward, padded)
        return (forward(inputs) if graph is None else graph.replay(padded)[:rows],)

    def _graph_for(self, forward: Forward, inputs: list[Tensor]) -> CapturedPass | None:
        """Return the graph for inputs of this shape; None if it cannot be captured."""
        key = tuple(tuple(tensor.shape) for tensor in inputs)
        if key not in self._graphs:
            if len(self._graphs) >= MAX_GRAPHS:
                self._graphs.popitem(last=False)
            self._graphs[key], problem = self._try_capture(forward, inputs)
            if problem:
                _log.warning("shape %s runs without a CUDA graph: %s", tuple(inputs[0].shape), problem)
        self._graphs.move_to_end(key)
        return self._graphs[key]

    def _try_capture(self, forward: Forward, inputs: list[Tensor]) -> tuple[CapturedPass | None, str]:
        try:
            return self._capture(forward, inputs, self._device), ""
        # A capture fails with whatever the driver or a library raises: a call that is not allowed, or no memory.
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            full, problem = is_out_of_memory(error), (str(error).splitlines() or [type(error).__name__])[0]
        # The handler has been left: the failed capture holds nothing any more.
        if full:
            self._graphs.clear()
            release_memory(self._device)
        return None, problem


def bucket(rows: int) -> int:
    """Return the number of rows that a batch is padded to: the next power of two."""
    return 1 << max(0, rows - 1).bit_length()


def pad_rows(tensor: Tensor, rows: int) -> Tensor:
    """Repeat the last row until a tensor has `rows` rows; the results of the added rows are not used."""
    missing = rows - tensor.shape[0]
    if not missing:
        return tensor
    more = tensor[-1:].expand(missing, *tensor.shape[1:])
    joined = torch.cat([tensor, more])
    return joined.contiguous(memory_format=torch.channels_last) if joined.ndim == 4 else joined


class GraphPool:
    """Captures CUDA graphs into one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        """Create the pool on a device."""
        with torch.cuda.device(device):
            self._pool = torch.cuda.graph_pool_handle()

    def capture(self, forward: Forward, inputs: list[Tensor], device: torch.device) -> "CudaGraph":
        """Capture a pass; see `Capture`."""
        return CudaGraph(forward, inputs, device, self._pool)


class CudaGraph:
    """One captured graph, with its fixed input and output tensors: a `CapturedPass`."""

    def __init__(self, forward: Forward, inputs: list[Tensor], device: torch.device, pool: Any) -> None:
        """Warm up and capture on `device`: streams and graphs belong to the current device, so it is made current."""
        self._device = device
        self._inputs = [tensor.clone(memory_format=torch.preserve_format) for tensor in inputs]
        with torch.cuda.device(device):
            side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side_stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side_stream):
                for _ in range(WARM_UP):
                    forward(self._inputs)
            torch.cuda.current_stream().wait_stream(side_stream)
            self._graph = torch.cuda.CUDAGraph()
            # Other threads wait for pixels meanwhile; the default mode would forbid them to.
            with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
                self._output = forward(self._inputs)

    def replay(self, inputs: list[Tensor]) -> Tensor:
        """Copy the inputs, replay, and return a copy of the output."""
        with torch.cuda.device(self._device):
            for fixed, tensor in zip(self._inputs, inputs, strict=True):
                fixed.copy_(tensor)
            self._graph.replay()
            return self._output.clone()
