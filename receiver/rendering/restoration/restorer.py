"""Restored pictures: what a plane tells, and for what it leaves open the likeliest by a trained network.

A restored picture keeps to the plane: its coefficients are moved into the cells that the plane says they lie in.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from codec.wavelet.plane import Plane
from codec.wavelet.transform import inverse, to_picture
from layercast_common.errors import ModelFilesError
from receiver.rendering.restoration.features import (
    LEVELS,
    LevelMaps,
    estimated_bands,
    features,
    level_maps,
    mean_planes,
)
from receiver.rendering.restoration.network import NetworkForm, RestorationNetwork

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_CLASS_NAME = "RestorationNetwork"

#: Where the levels below it are known to this plane at best, the finest is left as it is: half of the time for nothing.
_FINEST_FROM = 7.5

#: Places that are estimated at once.
_AT_ONCE = 4096


class Restorer:
    """Draws planes. Safe to use from one thread at a time."""

    def __init__(self, network: RestorationNetwork, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = network.to(device=self.device, dtype=torch.float32)
        self.network.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> "Restorer":
        """Load what `save_restoration` wrote.

        Args:
            folder: of the restoration network.
            device: where to run it.

        Raises:
            ModelFilesError: a file is missing, broken, or of another network.
        """
        try:
            config = json.loads((folder / _CONFIG).read_bytes())
            if config["_class_name"] != _CLASS_NAME:
                raise ValueError("of another class")
            network = RestorationNetwork(NetworkForm(tuple(tuple(sizes) for sizes in config["widths"])))
            network.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise ModelFilesError(f"the model's restoration in {folder} cannot be loaded: {error}") from error
        return cls(network, device)

    def restore(self, plane: Plane) -> NDArray[np.uint8]:
        """Draw a plane of any size: uint8 (H, W, 3) RGB. Deterministic on one device."""
        return to_picture(inverse(self.restore_coefficients(plane)))

    def restore_coefficients(self, plane: Plane) -> NDArray[np.float32]:
        """As `restore`, but float32 coefficients (3, H, W) as in `codec.wavelet.transform`."""
        coefficients = plane.to_coefficients()
        planes = mean_planes(plane)
        # A picture of which no colour came is taken for a grey one: no estimate gives it a tint.
        colored = bool(plane.magnitudes[1:].any())
        said = {
            level: self._estimate(maps, level, planes)
            for level, maps in enumerate(level_maps(plane, coefficients))
            if level or planes[0, 1:LEVELS].mean() < _FINEST_FROM
        }
        for band in estimated_bands(plane.canvas):
            if band.level - 1 not in said:
                continue
            part = said[band.level - 1][:, : band.height, : band.width]
            channels = len(part) // 3
            if channels > 1 and not colored:
                part, channels = part[::3], 1
            coefficients[:channels, *band.area] += part[channels * (band.orientation - 1) :][:channels]
        plane.confine(coefficients)
        return coefficients

    def _estimate(self, maps: LevelMaps, level: int, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is to be added to coefficients of a level, (9 or 3, rows, columns)."""
        estimator = self.network.by_level[level]
        rows, columns = (axis.ravel() for axis in np.mgrid[: maps.shape[0], : maps.shape[1]])
        parts = []
        with torch.inference_mode():
            spreads = estimator.spreads(*(float(plane) for plane in planes[:, level]))
            for start in range(0, len(rows), _AT_ONCE):
                chunk = slice(start, start + _AT_ONCE)
                shown = torch.from_numpy(features(maps, rows[chunk], columns[chunk])).to(self.device)
                parts.append((estimator(shown) * spreads).cpu().numpy())
        return np.concatenate(parts).T.reshape(-1, *maps.shape)


def save_restoration(network: RestorationNetwork, folder: Path) -> None:
    """Write a network's form and its weights, in half precision, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": _CLASS_NAME, **asdict(network.form)}
    (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / _WEIGHTS)
