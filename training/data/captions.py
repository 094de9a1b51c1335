"""Captions of the training pictures in many wordings, and the tokenizer trained on them.

A caption is true of its picture: subject and medium come from the data set's labels, colours are measured. Any part may
be missing, so that the model learns from short and long prompts. Artists' names appear in some captions.
"""

import random
import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

from training.data.scenes import Scene
from training.data.tiles import Tile

#: Tokens of a prompt for the text encoder, start and end included.
MAX_TOKENS = 32

#: Tokens that the tokenizer knows.
VOCABULARY = 4096

START, END = "<|startoftext|>", "<|endoftext|>"

#: The data set's subjects, and wordings of them.
SUBJECTS = {
    "woman": ("woman", "a woman", "portrait of a woman", "a lady", "a girl", "a young woman", "female portrait"),
    "man": ("man", "a man", "portrait of a man", "a guy", "a gentleman", "a young man", "male portrait"),
    "city street": ("city street", "a city street", "a street in a city", "street", "houses by a street", "cityscape"),
}
_OPENINGS = ("", "", "", "a picture of ", "an image of ")

#: Categories that are media, and wordings of them.
MEDIA = {
    "oil": ("oil painting", "oil on canvas"),
    "watercolor": ("watercolor", "watercolour painting"),
    "painting": ("painting",),
    "illustration": ("illustration", "drawing"),
    "comic": ("comic", "comic book art"),
    "photography": ("photo", "photograph"),
    "ink": ("ink drawing", "pen and ink"),
    "acrylic": ("acrylic painting",),
    "gouache": ("gouache", "gouache painting"),
    "sculpture": ("sculpture",),
    "animation": ("animation", "cartoon"),
    "poster": ("poster",),
    "lithography": ("lithograph",),
    "manga": ("manga",),
    "collage": ("collage",),
    "woodcut": ("woodcut",),
    "pastel": ("pastel drawing",),
    "concept art": ("concept art",),
    "b&w": ("black and white picture", "monochrome picture"),
}

_COUNTS = ("", "a ", "the ", "one ")
_THING_OPENINGS = ("", "", "", "a picture of ", "3d render of ", "an icon of ")


def caption(tile: Tile, colors: list[str], plain: str, rng: random.Random) -> str:
    """Compose one caption of a tile.

    Args:
        tile: the picture's labels.
        colors: names of the main colours of the crop, the largest share first.
        plain: the caption from measurements alone.
        rng: the random generator.
    """
    labels = [name.lower() for name in tile.categories]
    rng.shuffle(labels)
    labels = labels[: rng.randint(0, 4)]
    parts: list[str] = []
    media = [label for label in labels if label in MEDIA]
    if tile.subject is not None and rng.random() < 0.95:
        subject = rng.choice(SUBJECTS[tile.subject])
        if media and rng.random() < 0.5:
            labels.remove(media[0])
            subject = f"{rng.choice(MEDIA[media[0]])} of {subject}"
        parts.append(rng.choice(_OPENINGS) + subject)
    parts += labels
    if rng.random() < 0.15:
        parts.append(tile.style)
    parts += _color_words(colors, plain, rng)
    if rng.random() < 0.15:
        rng.shuffle(parts)
    return ", ".join(parts)


def scene_caption(scene: Scene, colors: list[str], plain: str, rng: random.Random) -> str:
    """Compose one caption of a composed scene; see `caption`."""
    names = [rng.choice(_COUNTS if name[0] not in "aeiou" else _COUNTS[:1]) + name for name in _names(scene)]
    if len(names) > 1 and rng.random() < 0.3:
        things = f"{', '.join(names[:-1])} on the left and {names[-1]} on the right"
    else:
        if rng.random() < 0.5:
            rng.shuffle(names)
        things = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    words = rng.choice(_THING_OPENINGS) + things
    if scene.ground == "picture":
        return words + rng.choice(("", ", blurred background", " before a blurred picture"))
    if rng.random() < 0.6:
        ground = " and ".join(scene.colors)
        return words + rng.choice((f" on {ground}", f", {ground} background", f" before a {ground} background"))
    return ", ".join([words, *_color_words(colors, plain, rng)])


def mirrored(text: str) -> str:
    """Return the caption of the mirrored picture."""
    sides = {"on the left": "on the right", "on the right": "on the left"}
    return re.sub("on the left|on the right", lambda found: sides[found[0]], text)


def _names(scene: Scene) -> list[str]:
    return [thing.name for thing in scene.things]


def _color_words(colors: list[str], plain: str, rng: random.Random) -> list[str]:
    """Return, at random, the caption from measurements, the main colours, or nothing."""
    if rng.random() < 0.15:
        return [plain]
    if colors and rng.random() < 0.4:
        return [rng.choice(("mostly ", "", "colours: ")) + " and ".join(colors[: rng.randint(1, 3)])]
    return []


def train_tokenizer(corpus: Iterable[str]) -> CLIPTokenizer:
    """Train a byte-level BPE of CLIP's kind on `corpus`; it spells out unknown words, so it accepts any text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = [START, END, *alphabet, *(f"{symbol}</w>" for symbol in alphabet)]
    blank = CLIPTokenizer(vocab={symbol: index for index, symbol in enumerate(symbols)}, merges=[])
    # 64 ideographs, one for every byte that can end a character, so that each has its end-of-word symbol.
    every_ending = " ".join(chr(0x4E00 + low) for low in range(64))
    trained = blank.train_new_from_iterator([*corpus, every_ending], vocab_size=VOCABULARY)
    trained.model_max_length = MAX_TOKENS
    return trained


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Save the tokenizer in the hub's layout."""
    tokenizer.save_pretrained(folder)
