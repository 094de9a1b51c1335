"""Figures of trained networks: LPIPS, DISTS and CLIP similarity, from weights in a folder. Nothing is downloaded.

The folder has the layout of `TORCH_HOME`, plus a CLIP model in the layout of the hub:

    checkpoints/alexnet-owt-7be5be79.pth    LPIPS (AlexNet), as torchmetrics computes it with normalize=True
    checkpoints/vgg16-397923af.pth          DISTS, as torchmetrics computes it
    clip/config.json, ...                   CLIP similarity: cosine of the two pictures' embeddings
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.quality.figures import LESS

if TYPE_CHECKING:
    import torch

#: The figures by name: packages that each needs, and its file in the folder of weights.
NEEDED: Mapping[str, tuple[tuple[str, ...], str]] = {
    f"lpips{LESS}": (("torch", "torchvision", "torchmetrics"), "checkpoints/alexnet-owt-7be5be79.pth"),
    f"dists{LESS}": (("torch", "torchvision", "torchmetrics"), "checkpoints/vgg16-397923af.pth"),
    "clip_similarity": (("torch", "transformers"), "clip/config.json"),
}

#: Figures of the field that layercast does not measure, and why.
NOT_MEASURED: Mapping[str, str] = {
    "niqe": "layercast does not measure it; give a command, such as one that runs pyiqa, with --metric",
    "fid": "it compares sets of pictures and layercast measures each picture; run torch-fidelity on decoded pictures",
    "kid": "it compares sets of pictures and layercast measures each picture; run torch-fidelity on decoded pictures",
}

#: Extra of layercast that brings a package.
_EXTRAS = {"torch": "render", "transformers": "render", "torchvision": "annotators", "torchmetrics": "learned"}


@dataclass(frozen=True, slots=True)
class LearnedFigure:
    """A figure of a trained network.

    Attributes:
        name: a name in `NEEDED`.
        weights: the folder of weights.
    """

    name: str
    weights: Path

    def identity(self) -> str:
        """Return the name, and size and date of the weights."""
        status = (self.weights / NEEDED[self.name][1]).stat()
        return f"{self.name} {status.st_size} {status.st_mtime_ns}"

    def __call__(self, drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
        """Measure a picture, given the original; both (H, W, 3) uint8 RGB."""
        return _load(self.name, self.weights)(drawn, original)


def find_learned(weights: Path | None) -> tuple[list[LearnedFigure], dict[str, str]]:
    """Return the figures that can be measured here, and why the others cannot, by name.

    Args:
        weights: the folder of weights; None if the user gave none.
    """
    found, reasons = [], {name.removesuffix(LESS): reason for name, reason in NOT_MEASURED.items()}
    for name, (packages, file) in NEEDED.items():
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        if weights is None:
            reason = "it needs weights: --weights DIR"
        elif not (weights / file).is_file():
            reason = f"{weights} has no {file}"
        elif missing:
            reason = f"{missing[0]} is not installed: pip install 'layercast[{_EXTRAS[missing[0]]}]'"
        else:
            found.append(LearnedFigure(name, weights))
            continue
        reasons[name.removesuffix(LESS)] = reason
    return found, reasons


@cache
def _load(name: str, weights: Path) -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]:
    return {f"lpips{LESS}": _lpips, f"dists{LESS}": _dists, "clip_similarity": _clip}[name](weights)


def _lpips(weights: Path) -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]:
    import torch
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    torch.hub.set_dir(str(weights))
    metric = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
    return lambda drawn, original: float(metric(_to_tensor(drawn), _to_tensor(original)))


def _dists(weights: Path) -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]:
    import torch
    from torchmetrics.image.dists import DeepImageStructureAndTextureSimilarity

    torch.hub.set_dir(str(weights))
    metric = DeepImageStructureAndTextureSimilarity()
    return lambda drawn, original: float(metric(_to_tensor(drawn), _to_tensor(original)))


def _clip(weights: Path) -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]:
    import torch
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    folder = str(weights / "clip")
    model: Any = CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True)
    processor: Any = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)

    def similarity(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
        pixels = processor(images=[drawn, original], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            first, second = model(pixel_values=pixels).image_embeds
        return float(torch.nn.functional.cosine_similarity(first, second, dim=0))

    return similarity


def _to_tensor(picture: NDArray[np.uint8]) -> "torch.Tensor":
    import torch

    return torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]
