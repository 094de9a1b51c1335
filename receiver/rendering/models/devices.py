"""Where a model runs, and in which number format."""

from functools import cache
from pathlib import Path
from typing import Any

import torch

from layercast_common.errors import UsageError

#: A UNet with larger files than this, in bytes, runs in bfloat16 on CPUs that have it: twice as fast, half the memory.
LARGE_UNET = 400_000_000

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str) -> torch.device:
    """Turn "auto" or a torch device's name into a device that is there."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"no device {device!r} here; use --device auto or cpu") from error
    return place


def choose_dtype(dtype: str, device: torch.device, unet: Path) -> torch.dtype:
    """The number format for a UNet's folder; see `load_model`."""
    if dtype != "auto":
        if dtype not in _DTYPES:
            raise UsageError(f"no number format {dtype!r}; there are {', '.join(_DTYPES)}")
        return _DTYPES[dtype]
    if device.type != "cpu":
        return torch.float16
    large = sum(path.stat().st_size for path in unet.glob("*.safetensors")) > LARGE_UNET
    return torch.bfloat16 if large and has_bfloat16() else torch.float32


@cache
def has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 itself."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
