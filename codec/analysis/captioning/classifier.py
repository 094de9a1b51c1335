"""What a picture shows - subject, medium, style - by a small network that ships as a table; it needs no torch.

The network was trained on labelled pictures by `training/captioner/train.py`: convolutions of 3x3, rectified, then
the mean and the largest of each channel, and one linear layer.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.analysis.captioning.palette import palette_words
from codec.coders.tables import load_table

#: Side that a picture is scaled to for the network, in pixels.
SIDE = 96

#: The subjects that are told apart.
SUBJECTS = ("woman", "man", "city street")

#: Probability from which a subject is said, and from which a medium or style is.
SURE_OF_SUBJECT, SURE_OF_STYLE = 0.6, 0.45

#: Styles that are said at most.
MAX_STYLES = 2

#: Categories that say how a picture was made, the more telling ones first, and how people call that.
MEDIA = {
    "oil": "oil painting",
    "watercolor": "watercolor",
    "ink": "ink drawing",
    "photography": "photo",
    "comic": "comic",
    "painting": "painting",
    "illustration": "illustration",
}


@dataclass(frozen=True, eq=False, slots=True)
class Classification:
    """What the network makes of a picture.

    Attributes:
        subjects: probability of each of SUBJECTS; they sum to 1.
        categories: probability of each medium and style, each on its own.
    """

    subjects: dict[str, float]
    categories: dict[str, float]


def compose_caption(image: Image.Image) -> str:
    """Say what a picture shows as far as that is plain to see, and its main colours.

    Args:
        image: PIL RGB of any size.

    Returns:
        Such as "oil painting of a woman, portrait, mostly dark brown with some tan".
    """
    seen = classify(image)
    subject, probability = max(seen.subjects.items(), key=lambda item: item[1])
    said = {name for name, sure in seen.categories.items() if sure >= SURE_OF_STYLE}
    medium = next((words for name, words in MEDIA.items() if name in said), "picture")
    styles = sorted(said - set(MEDIA), key=lambda name: -seen.categories[name])[:MAX_STYLES]
    what = f"{medium} of a {subject}" if probability >= SURE_OF_SUBJECT else medium
    return ", ".join([what, *styles, palette_words(image)])


def classify(image: Image.Image) -> Classification:
    """Tell subject and categories of a picture.

    Args:
        image: PIL RGB of any size; the middle square is looked at.
    """
    network = _network()
    logits = network.look(image)
    powers = np.exp(logits[: len(SUBJECTS)] - logits[: len(SUBJECTS)].max())
    sure = 1 / (1 + np.exp(-logits[len(SUBJECTS) :]))
    return Classification(
        subjects={name: float(value) for name, value in zip(SUBJECTS, powers / powers.sum(), strict=True)},
        categories={name: float(value) for name, value in zip(network.categories, sure, strict=True)},
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Layer:
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int

    def run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convolve (H, W, C), add the input where the size stays, and rectify."""
        height, width = (side // self.stride for side in values.shape[:2])
        padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
        result = np.broadcast_to(self.bias, (height, width, len(self.bias))).copy()
        for down in range(3):
            for across in range(3):
                taken = padded[down : down + height * self.stride : self.stride]
                result += taken[:, across : across + width * self.stride : self.stride] @ self.weight[down, across]
        if self.stride == 1:
            result += values
        return np.maximum(result, 0)


@dataclass(frozen=True, eq=False, slots=True)
class Classifier:
    """A network as a table holds it.

    Attributes:
        layers: from the picture on.
        head: (features, outputs) float32.
        head_bias: (outputs,) float32.
        categories: names of the last outputs.
    """

    layers: tuple[_Layer, ...]
    head: NDArray[np.float32]
    head_bias: NDArray[np.float32]
    categories: tuple[str, ...]

    def look(self, image: Image.Image) -> NDArray[np.float32]:
        """The mean logits of a picture, PIL RGB of any size, and its mirror image; of the middle square."""
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
        small = image.resize((SIDE, SIDE), Image.Resampling.BOX, box=box, reducing_gap=3.0)
        pixels = np.asarray(small, np.float32) / np.float32(127.5) - 1
        return np.asarray((self._run(pixels) + self._run(pixels[:, ::-1])) / 2, np.float32)

    def _run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        for layer in self.layers:
            values = layer.run(values)
        pooled = np.concatenate([values.mean((0, 1)), values.max((0, 1))])
        return np.asarray(pooled @ self.head + self.head_bias, np.float32)


def load_classifier(path: Path) -> Classifier:
    """Read the table that `training/captioner/train.py` writes."""
    with np.load(path, allow_pickle=False) as stored:
        return _read({name: stored[name] for name in stored.files})


@cache
def _network() -> Classifier:
    return _read(load_table("captioner"))


def _read(table: dict[str, NDArray[Any]]) -> Classifier:
    numbers = range(sum(name.startswith("weight") for name in table))
    return Classifier(
        layers=tuple(
            _Layer(
                table[f"weight{number}"].astype(np.float32),
                table[f"bias{number}"].astype(np.float32),
                int(table[f"stride{number}"]),
            )
            for number in numbers
        ),
        head=table["head"].astype(np.float32),
        head_bias=table["head_bias"].astype(np.float32),
        categories=tuple(json.loads(table["categories"].tobytes())),
    )
