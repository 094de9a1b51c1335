"""Checkpoints: one safetensors file with UNet, autoencoder and text encoders. Loads no torch."""

from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import ModelFilesError, StorageError
from layercast_common.nested_text import parse_json

#: Largest index of tensors that is read, in bytes.
MAX_INDEX = 64 << 20

_UNET = "model.diffusion_model."


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFacts:
    """What a checkpoint's index says.

    Attributes:
        family: the registered model whose configs fit: "sd15" or "sdxl".
        v_prediction: whether its UNet predicts the velocity (arXiv 2202.00512).
        zero_snr: whether its noise schedule ends at zero SNR (arXiv 2305.08891).
    """

    family: str
    v_prediction: bool = False
    zero_snr: bool = False


def read_checkpoint(path: Path) -> CheckpointFacts:
    """Read the index of a checkpoint, which is at its beginning, and recognise the model.

    Raises:
        ModelFilesError: the file is no whole checkpoint of Stable Diffusion 1 or XL.
        StorageError: the file cannot be read.
    """
    names = _index(path)
    shapes = {name: facts.get("shape") for name, facts in names.items() if isinstance(facts, dict)}
    if not any(name.startswith(_UNET) for name in shapes):
        kind = "a LoRA: add it with --lora" if any("lora" in name for name in shapes) else "no whole checkpoint"
        raise ModelFilesError(f"{path} is {kind}, it has no UNet; name a checkpoint or a model for --model")
    first = shapes.get(f"{_UNET}input_blocks.0.0.weight") or [0, 0]
    if first[1] != 4:
        raise ModelFilesError(
            f"{path} is a checkpoint for inpainting, editing or another use: its UNet takes {first[1]} channels, not 4"
        )
    flags = {"v_prediction": "v_pred" in names, "zero_snr": "ztsnr" in names}
    if any(name.startswith("conditioner.embedders.1.") for name in shapes):
        return CheckpointFacts(family="sdxl", **flags)
    if any(name.startswith("cond_stage_model.transformer.") for name in shapes):
        return CheckpointFacts(family="sd15", **flags)
    if any(name.startswith("cond_stage_model.model.") for name in shapes):
        raise ModelFilesError(f"{path} is a checkpoint of Stable Diffusion 2; convert it to a folder of diffusers")
    raise ModelFilesError(f"{path} has no text encoder of Stable Diffusion 1 or XL; name a whole checkpoint")


def _index(path: Path) -> dict[str, object]:
    """Return the index of a safetensors file: eight bytes of length, then JSON."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MAX_INDEX, path.stat().st_size):
                raise ModelFilesError(f"{path} is no safetensors file, or it is cut short")
            found = parse_json(file.read(length))
    except OSError as error:
        raise StorageError.of(error, path, "cannot be read") from error
    except ValueError as error:
        raise ModelFilesError(f"{path} is no safetensors file, or it is damaged") from error
    if not isinstance(found, dict):
        raise ModelFilesError(f"{path} is no safetensors file: its index is no table")
    return found
