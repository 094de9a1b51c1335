"""The mini captioner: subject, medium and style of a picture by a small network, without torch.

`training/captioner/train.py` trains the network on labelled pictures: 3x3 convolutions with ReLU, then mean and maximum
of each channel, and one linear layer. The weights are a table of the codec.
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

#: Side of the network's input, in pixels.
SIDE = 96

#: The classes of subjects.
SUBJECTS = ("woman", "man", "city street")

#: Lowest probability at which the caption names a subject, and a medium or style.
MIN_SUBJECT, MIN_STYLE = 0.6, 0.45

#: Most styles in a caption.
MAX_STYLES = 2

#: Categories of media and their names in a caption, the more specific ones first.
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
    """The network's output for a picture.

    Attributes:
        subjects: probability of each of SUBJECTS; they sum to 1.
        categories: independent probability of each medium and style.
    """

    subjects: dict[str, float]
    categories: dict[str, float]


def compose_caption(image: Image.Image) -> str:
    """Write a caption: medium, subject, styles and main colours.

    Args:
        image: PIL RGB of any size.

    Returns:
        A caption such as "oil painting of a woman, portrait, mostly dark brown with some tan".
    """
    classes = classify(image)
    subject, probability = max(classes.subjects.items(), key=lambda item: item[1])
    likely = {name for name, value in classes.categories.items() if value >= MIN_STYLE}
    medium = next((words for name, words in MEDIA.items() if name in likely), "picture")
    styles = sorted(likely - set(MEDIA), key=lambda name: -classes.categories[name])[:MAX_STYLES]
    what = f"{medium} of a {subject}" if probability >= MIN_SUBJECT else medium
    return ", ".join([what, *styles, palette_words(image)])


def classify(image: Image.Image) -> Classification:
    """Classify subject and categories of a picture.

    Args:
        image: PIL RGB of any size; only the middle square is used.
    """
    network = _own_classifier()
    logits = network.logits(image)
    powers = np.exp(logits[: len(SUBJECTS)] - logits[: len(SUBJECTS)].max())
    probabilities = 1 / (1 + np.exp(-logits[len(SUBJECTS) :]))
    return Classification(
        subjects={name: float(value) for name, value in zip(SUBJECTS, powers / powers.sum(), strict=True)},
        categories={name: float(value) for name, value in zip(network.categories, probabilities, strict=True)},
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Layer:
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int

    def run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convolve (H, W, C), add the input if the stride is 1, and apply ReLU."""
        height, width = (side // self.stride for side in values.shape[:2])
        padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
        result = np.broadcast_to(self.bias, (height, width, len(self.bias))).copy()
        for down in range(3):
            for across in range(3):
                patch = padded[down : down + height * self.stride : self.stride]
                result += patch[:, across : across + width * self.stride : self.stride] @ self.weight[down, across]
        if self.stride == 1:
            result += values
        return np.maximum(result, 0)


@dataclass(frozen=True, eq=False, slots=True)
class Classifier:
    """The network of the mini captioner.

    Attributes:
        layers: the convolutions, from the input on.
        head: (features, outputs) float32.
        head_bias: (outputs,) float32.
        categories: names of the outputs after the subjects.
    """

    layers: tuple[_Layer, ...]
    head: NDArray[np.float32]
    head_bias: NDArray[np.float32]
    categories: tuple[str, ...]

    def logits(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the logits of the middle square of a picture, averaged with those of its mirror image.

        Args:
            image: PIL RGB of any size.

        Returns:
            (outputs,) float32: the subjects, then the categories.
        """
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
    """Load a classifier from a table that `training/captioner/train.py` wrote.

    Raises:
        OSError, ValueError, KeyError: the file cannot be read or is not such a table.
    """
    with np.load(path, allow_pickle=False) as stored:
        return _from_table({name: stored[name] for name in stored.files})


@cache
def _own_classifier() -> Classifier:
    return _from_table(load_table("captioner"))


def _from_table(table: dict[str, NDArray[Any]]) -> Classifier:
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
