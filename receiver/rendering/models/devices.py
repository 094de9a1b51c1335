"""Choose the device and the number format that a model runs in."""

from functools import cache
from pathlib import Path
from typing import Any

import torch

from layercast_common.errors import UsageError

#: A UNet whose files are larger than this, in bytes, runs in bfloat16 on CPUs that support it: twice the speed, half
#: the memory.
LARGE_UNET = 400_000_000

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str) -> torch.device:
    """Return the torch device for "auto" or a device name.

    Raises:
        UsageError: this machine has no such device.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"no device {device!r} on this machine; use --device auto or cpu") from error
    return place


def choose_dtype(dtype: str, device: torch.device, weights: Path) -> torch.dtype:
    """Return the number format for a model.

    Args:
        dtype: "auto", "float32", "bfloat16" or "float16"; see `load_model`.
        device: the device that the model runs on.
        weights: folder of its UNet or transformer, or its checkpoint.

    Raises:
        UsageError: no number format of that name.
    """
    if dtype != "auto":
        if dtype not in _DTYPES:
            raise UsageError(f"no number format {dtype!r}; use auto, {', '.join(_DTYPES)}")
        return _DTYPES[dtype]
    if device.type != "cpu":
        # Diffusion transformers of several billion parameters leave float16's range.
        return torch.bfloat16 if weights.name == "transformer" else torch.float16
    files = [weights] if weights.is_file() else weights.glob("*.safetensors")
    large = sum(path.stat().st_size for path in files) > LARGE_UNET
    return torch.bfloat16 if large and has_bfloat16() else torch.float32


@cache
def has_bfloat16() -> bool:
    """Return whether this CPU has bfloat16 instructions."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
