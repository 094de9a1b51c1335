"""Restoration of pictures: a trained network estimates the part of a picture that its bit planes do not contain.

A restored picture is consistent with the plane: all coefficients are moved into their known cells.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from codec.layers import EdgeMap
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, inverse, to_picture
from layercast_common.errors import ModelFilesError
from layercast_common.nested_text import parse_json
from receiver.rendering.restoration.inputs import in_steps, network_inputs
from receiver.rendering.restoration.network import NetworkForm, RestorationNetwork

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_CLASS_NAME = "RestorationNetwork"

#: Ends the names of scales of integer weights.
_SCALE = ".scale"


class Restorer:
    """Restoration network that renders planes. Not thread-safe: use it from one thread at a time."""

    def __init__(self, network: RestorationNetwork, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = network.to(device=self.device, dtype=torch.float32)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> "Restorer":
        """Load a network that `save_restoration` wrote.

        Args:
            folder: folder of the restoration network.
            device: torch device to run the network on.

        Raises:
            ModelFilesError: a file is missing, damaged, or belongs to another network.
        """
        try:
            config = parse_json((folder / _CONFIG).read_bytes())
            if config.pop("_class_name") != _CLASS_NAME:
                raise ValueError(f"{_CONFIG} describes another network, not a {_CLASS_NAME}")
            form: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in config.items()
            }
            network = RestorationNetwork(NetworkForm(**form))
            network.load_state_dict(_unpacked(load_file(folder / _WEIGHTS)))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise ModelFilesError(f"cannot load the restoration network in {folder}: {error}") from error
        return cls(network, device)

    def restore(self, plane: Plane, lines: EdgeMap | None = None) -> NDArray[np.uint8]:
        """Render a plane of any size: uint8 (H, W, 3) RGB. Deterministic on one device.

        Args:
            plane: the decoded state of the picture.
            lines: the lines that came with it; the network draws edges along them.
        """
        return to_picture(inverse(self.restore_coefficients(plane, lines)))

    def restore_coefficients(self, plane: Plane, lines: EdgeMap | None = None) -> NDArray[np.float32]:
        """Restore a plane; return float32 coefficients (3, H, W) in the layout of `codec.wavelet.transform`."""
        coefficients = plane.to_coefficients()
        estimated = self._estimate(plane, inverse(coefficients), lines)
        # If no chroma is known, the picture counts as grey: do not let estimates tint it.
        channels = 3 if plane.magnitudes[1:].any() else 1
        coefficients[:channels] += forward(estimated)[:channels]
        plane.confine(coefficients)
        return coefficients

    def _estimate(self, plane: Plane, decoded: NDArray[np.float32], lines: EdgeMap | None) -> NDArray[np.float32]:
        """Return the estimated difference between the original and the decoded channels: float32 (3, H, W)."""

        def tensor(array: NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(array[None].astype(np.float32)).to(self.device)

        with torch.inference_mode():
            inputs = network_inputs(
                tensor(decoded),
                in_steps(tensor(plane.magnitudes), tensor(plane.signs)),
                tensor(plane.last_plane),
                None if lines is None else tensor(draw_lines(lines)[None]),
            )
            return np.asarray(self.network(inputs)[0].float().cpu().numpy(), np.float32)


def draw_lines(lines: EdgeMap) -> NDArray[np.float32]:
    """Draw lines as the network sees them: float32 (ceil(H / 4), ceil(W / 4)), 0 or 1."""
    width, height = lines.canvas
    drawn = lines.to_image((-(-width // 4), -(-height // 4)), thickness=1)
    return np.asarray(drawn > 0, np.float32)


def save_restoration(network: RestorationNetwork, folder: Path) -> None:
    """Write the network's configuration and its weights into `folder`.

    Kernels of convolutions are written as 8-bit integers with a scale per output channel (input channel for transposed
    ones), all other weights in half precision.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": _CLASS_NAME, **asdict(network.form)}
    (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file(_packed({name: value.float().cpu() for name, value in network.state_dict().items()}), folder / _WEIGHTS)


def _packed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    packed = {}
    for name, value in weights.items():
        if value.ndim == 4:
            scale = (value.abs().amax((1, 2, 3), keepdim=True) / 127).clamp(min=1e-6).half()
            packed[name + _SCALE] = scale
            packed[name] = (value / scale.float()).round().clamp(-127, 127).to(torch.int8).contiguous()
        else:
            packed[name] = value.half().contiguous()
    return packed


def _unpacked(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.float() * packed[name + _SCALE].float() if value.dtype == torch.int8 else value.float()
        for name, value in packed.items()
        if not name.endswith(_SCALE)
    }
