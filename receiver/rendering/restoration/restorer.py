"""Restoration of pictures: a trained network estimates the part of the coefficients that a plane does not contain.

A restored picture is consistent with the plane: all estimated coefficients are moved into their known cells.
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
from layercast_common.nested_text import parse_json
from receiver.rendering.restoration.features import (
    LEVELS,
    LevelMaps,
    estimated_bands,
    features,
    flat_features,
    flat_rows,
    level_maps,
    mean_planes,
)
from receiver.rendering.restoration.network import NetworkForm, RestorationNetwork

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_CLASS_NAME = "RestorationNetwork"

#: The finest level is skipped if the coarser levels are known only down to this plane or worse: it would take half of
#: the time and gain nothing.
_FINEST_FROM = 7.5

#: Places per batch of the network.
_AT_ONCE = 4096


class Restorer:
    """Restoration network that renders planes. Not thread-safe: use it from one thread at a time."""

    def __init__(self, network: RestorationNetwork, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = network.to(device=self.device, dtype=torch.float32)
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
            if config["_class_name"] != _CLASS_NAME:
                raise ValueError(f"{_CONFIG} describes a {config['_class_name']}, not a {_CLASS_NAME}")
            network = RestorationNetwork(NetworkForm(tuple(tuple(sizes) for sizes in config["widths"])))
            network.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise ModelFilesError(f"cannot load the restoration network in {folder}: {error}") from error
        return cls(network, device)

    def restore(self, plane: Plane) -> NDArray[np.uint8]:
        """Render a plane of any size: uint8 (H, W, 3) RGB. Deterministic on one device."""
        return to_picture(inverse(self.restore_coefficients(plane)))

    def restore_coefficients(self, plane: Plane) -> NDArray[np.float32]:
        """Restore a plane; return float32 coefficients (3, H, W) in the layout of `codec.wavelet.transform`."""
        coefficients = plane.to_coefficients()
        planes = mean_planes(plane)
        # If no chroma is known, the picture counts as grey: do not let estimates tint it.
        colored = bool(plane.magnitudes[1:].any())
        estimates = {
            level: self._estimate(maps, level, planes)
            for level, maps in enumerate(level_maps(plane, coefficients))
            if level or planes[0, 1:LEVELS].mean() < _FINEST_FROM
        }
        for band in estimated_bands(plane.canvas):
            if band.level - 1 not in estimates:
                continue
            part = estimates[band.level - 1][:, : band.height, : band.width]
            channels = len(part) // 3
            if channels > 1 and not colored:
                part, channels = part[::3], 1
            coefficients[:channels, *band.area] += part[channels * (band.orientation - 1) :][:channels]
        plane.confine(coefficients)
        return coefficients

    def _estimate(self, maps: LevelMaps, level: int, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the corrections to add to the coefficients of a level: float32 (9 or 3, rows, columns)."""
        estimator = self.network.by_level[level]
        rows, columns = (axis.ravel() for axis in np.mgrid[: maps.shape[0], : maps.shape[1]])
        parts = []
        with torch.inference_mode():
            spreads = estimator.spreads(*(float(plane) for plane in planes[:, level]))
            flat = estimator(torch.from_numpy(flat_features(maps)).to(self.device))
            for start in range(0, len(rows), _AT_ONCE):
                chunk = slice(start, start + _AT_ONCE)
                seen = features(maps, rows[chunk], columns[chunk])
                estimates = estimator(torch.from_numpy(seen).to(self.device))
                # Flat surroundings have no detail: what the network sees in them is a bias, a regular pattern.
                estimates -= flat[torch.from_numpy(flat_rows(seen)).to(self.device)]
                parts.append((estimates * spreads).cpu().numpy())
        return np.concatenate(parts).T.reshape(-1, *maps.shape)


def save_restoration(network: RestorationNetwork, folder: Path) -> None:
    """Write the network's configuration and its half-precision weights into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": _CLASS_NAME, **asdict(network.form)}
    (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / _WEIGHTS)
