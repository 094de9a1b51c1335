"""Prompts: size compared with Brotli."""

from collections.abc import Sequence
from dataclasses import dataclass

import brotli
import numpy as np

from codec.coders.text.payload import decode_text, encode_text
from codec.layers import Semantic
from evaluation.codec.pictures import Track


@dataclass(frozen=True, slots=True)
class TextResult:
    """Sizes of the prompts of one file.

    Attributes:
        name: the file name.
        prompts: number of prompts.
        mean_bytes: mean size of a payload.
        brotli_bytes: mean size with Brotli, quality 11, text mode.
        ratio: mean_bytes / brotli_bytes.
        worst: largest excess of a prompt over Brotli, in bytes; negative if every prompt is smaller.
        exact: whether every prompt decodes unchanged.
    """

    name: str
    prompts: int
    mean_bytes: float
    brotli_bytes: float
    ratio: float
    worst: int
    exact: bool


def measure_texts(name: str, prompts: Sequence[str], track: Track) -> TextResult:
    """Encode every prompt with both coders, and decode ours."""
    ours, theirs, exact = [], [], True
    for prompt in track(prompts, f"text: {name}"):
        payload = encode_text(Semantic(prompt))
        exact = exact and decode_text(payload).prompt == prompt
        ours.append(len(payload))
        theirs.append(len(brotli.compress(prompt.encode(), mode=brotli.MODE_TEXT, quality=11)))
    mean, brotli_mean = float(np.mean(ours)), float(np.mean(theirs))
    worst = max(a - b for a, b in zip(ours, theirs, strict=True))
    return TextResult(name, len(prompts), mean, brotli_mean, mean / brotli_mean, worst, exact)
