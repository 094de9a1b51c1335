"""Captions of the training pictures, worded in many ways, and the tokenizer made from them.

A caption is true of its picture: subject and medium from the data set's own labels, colours measured. Any part may
be missing, so that the model learns from short prompts and long ones; names of artists appear now and then but are
never needed.
"""

import random
from collections.abc import Iterable
from pathlib import Path

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

from training.data import Tile

#: Prompt tokens that the text encoder sees, start and end included.
MAX_TOKENS = 32

VOCABULARY = 3072

START, END = "<|startoftext|>", "<|endoftext|>"

_SUBJECTS = {
    "woman": ("woman", "a woman", "portrait of a woman", "a lady", "a girl", "a young woman", "female portrait"),
    "man": ("man", "a man", "portrait of a man", "a guy", "a gentleman", "a young man", "male portrait"),
    "city street": ("city street", "a city street", "a street in a city", "a town", "houses by a street", "cityscape"),
}
_OPENINGS = ("", "", "a picture of ", "an image of ")


def caption(tile: Tile, colors: list[str], plain: str, dice: random.Random) -> str:
    """Word one caption of `tile`.

    Args:
        tile: the picture's labels.
        colors: the names of the main colours of the cut that is shown, the largest share first.
        plain: what measuring alone says of the cut.
        dice: the source of chance.
    """
    labels = [name.lower() for name in tile.categories]
    dice.shuffle(labels)
    labels = labels[: dice.randint(0, 4)]
    parts: list[str] = []
    if tile.subject is not None and dice.random() < 0.9:
        subject = dice.choice(_SUBJECTS[tile.subject])
        if labels and dice.random() < 0.4:
            subject = f"{labels.pop()} of {subject}"
        parts.append(dice.choice(_OPENINGS) + subject)
    parts += labels
    if dice.random() < 0.15:
        parts.append(tile.style)
    if dice.random() < 0.15:
        parts.append(plain)
    elif colors and dice.random() < 0.4:
        parts.append(dice.choice(("mostly ", "", "colours: ")) + " and ".join(colors[: dice.randint(1, 3)]))
    if dice.random() < 0.15:
        dice.shuffle(parts)
    return ", ".join(parts)


def train_tokenizer(corpus: Iterable[str]) -> CLIPTokenizer:
    """Train a byte-level BPE of CLIP's kind on `corpus`; it spells out what it does not know and so reads any text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = [START, END, *alphabet, *(f"{symbol}</w>" for symbol in alphabet)]
    blank = CLIPTokenizer(vocab={symbol: index for index, symbol in enumerate(symbols)}, merges=[])
    # 64 ideographs, one for every byte that can end a character, so that each has its end-of-word symbol.
    every_ending = " ".join(chr(0x4E00 + low) for low in range(64))
    trained = blank.train_new_from_iterator([*corpus, every_ending], vocab_size=VOCABULARY)
    trained.model_max_length = MAX_TOKENS
    return trained


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Save as the hub's folders hold it."""
    tokenizer.save_pretrained(folder)
