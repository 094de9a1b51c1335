"""Performance: one choice for number format, memory layout, compiler and runtime. Loads no torch."""

import enum


class Performance(enum.StrEnum):
    """One way to run a model.

    AUTO        the fastest way known to be correct on this machine: on a CPU the one that `layercast models check`
                recorded, on CUDA GRAPHS, elsewhere PLAIN
    PLAIN       torch alone: float16 on a GPU; on a CPU float32, or bfloat16 for large models where the CPU supports it
    COMPILED    torch.compile: about a minute of compiling, then fewer and larger kernels
    GRAPHS      CUDA graphs: one launch for a whole step
    OPENVINO    UNet and decoder run on OpenVINO, on a CPU
    LOW_MEMORY  every part but the UNet is on the device only while it runs; half precision; decoding in tiles
    """

    AUTO = "auto"
    PLAIN = "plain"
    COMPILED = "compiled"
    GRAPHS = "graphs"
    OPENVINO = "openvino"
    LOW_MEMORY = "low-memory"
