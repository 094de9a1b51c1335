"""Prompts against Brotli."""

from collections.abc import Sequence
from dataclasses import dataclass

import brotli
import numpy as np

from codec.coders.text.payload import decode_text, encode_text
from codec.layers import Semantic
from evaluation.codec.pictures import Track


@dataclass(frozen=True, slots=True)
class TextResult:
    """What the prompts of one file took.

    Attributes:
        name: of the file.
        prompts: how many there are.
        mean_bytes: of the payload.
        brotli_bytes: the mean of Brotli's, quality 11, text mode.
        ratio: of the two means.
        worst: most bytes that a prompt took beyond Brotli's; negative where none did.
        exact: whether every prompt came back as it was.
    """

    name: str
    prompts: int
    mean_bytes: float
    brotli_bytes: float
    ratio: float
    worst: int
    exact: bool


def measure_texts(name: str, prompts: Sequence[str], track: Track) -> TextResult:
    """Code every prompt both ways, and ours back."""
    ours, theirs, exact = [], [], True
    for prompt in track(prompts, f"text: {name}"):
        payload = encode_text(Semantic(prompt))
        exact = exact and decode_text(payload).prompt == prompt
        ours.append(len(payload))
        theirs.append(len(brotli.compress(prompt.encode(), mode=brotli.MODE_TEXT, quality=11)))
    mean, brotli_mean = float(np.mean(ours)), float(np.mean(theirs))
    worst = max(a - b for a, b in zip(ours, theirs, strict=True))
    return TextResult(name, len(prompts), mean, brotli_mean, mean / brotli_mean, worst, exact)
