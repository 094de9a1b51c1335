"""How a model is run on its device: one choice for dtype, memory layout, compilers and runtimes. Loads no torch."""

import enum


class Performance(enum.StrEnum):
    """One way to run a model.

    AUTO        the fastest that is known to agree on this machine: on a CPU what `layercast models check` recorded,
                on CUDA graphs, elsewhere plain
    PLAIN       torch as it is: float16 on a GPU; on a CPU float32, bfloat16 for large models where the CPU has it
    COMPILED    torch.compile: a minute of compiling, then fewer and larger kernels
    GRAPHS      CUDA graphs: a step is launched as a whole
    OPENVINO    the UNet and the decoder by OpenVINO, on a CPU
    LOW_MEMORY  parts are on the device only while they work, half precision, decoding in tiles
    """

    AUTO = "auto"
    PLAIN = "plain"
    COMPILED = "compiled"
    GRAPHS = "graphs"
    OPENVINO = "openvino"
    LOW_MEMORY = "low-memory"
