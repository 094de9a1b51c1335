"""Pictures that a small model remembers: lines and colours for a text of which nothing else has come.

The embedded model is too small to draw a horse because somebody says "horse". So it takes with it what it was trained
on, as this codec would send it, and a text alone is drawn from the lines and colours of a picture that has the same
name (retrieval augmentation; Blattmann et al., "Retrieval-Augmented Diffusion Models", NeurIPS 2022). What was sent is
never mixed with what is remembered: as soon as lines or colours come, the picture is theirs alone.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import msgspec

from codec.container.bitstream import Bitstream
from codec.layers import Priors, Semantic
from layercast_common.errors import BitstreamError, ModelFilesError

#: The file in a model's memory folder, and what it may hold.
FILE = "pictures.msgpack"
MAX_BYTES = 16 << 20

#: Words of a prompt that are looked at.
MAX_WORDS = 200

#: Words of the longest name.
MAX_NAME = 4

_ARTICLES = frozenset({"a", "an", "the", "one"})

#: Remembered pictures that are kept decoded.
DECODED = 32


class RetrievedPicture(msgspec.Struct, array_like=True, frozen=True):
    """A remembered picture.

    Attributes:
        names: what the thing on it is called, any of these; none if it is of nothing in particular.
        tags: words for how it was made and in what style.
        stream: its lines and colours, as a layercast stream.
    """

    names: tuple[str, ...]
    tags: tuple[str, ...]
    stream: bytes


class RetrievalIndex:
    """Remembered pictures, found by name. Only read after it is made; safe for threads."""

    def __init__(self, pictures: Sequence[RetrievedPicture]) -> None:
        self._pictures = pictures
        self._tags = [frozenset(word for tag in picture.tags for word in words_of(tag)) for picture in pictures]
        counts = Counter(word for tags in self._tags for word in tags)
        # A rare word tells more (inverse document frequency).
        self._worth = {word: math.log(1 + len(pictures) / count) for word, count in counts.items()}
        self._named: dict[tuple[str, ...], list[int]] = {}
        for number, picture in enumerate(pictures):
            for name in picture.names:
                self._named.setdefault(tuple(words_of(name)[:MAX_NAME]), []).append(number)
        self._decode = lru_cache(DECODED)(self._decode_anew)

    def __len__(self) -> int:
        return len(self._pictures)

    @classmethod
    def load(cls, folder: Path) -> "RetrievalIndex":
        """Read what `save` wrote.

        Raises:
            ModelFilesError: it is missing, too large or broken.
        """
        path = folder / FILE
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ModelFilesError(f"the model's memory {path} is larger than {MAX_BYTES >> 20} MB")
            return cls(msgspec.msgpack.decode(path.read_bytes(), type=list[RetrievedPicture]))
        except (OSError, msgspec.MsgspecError) as error:
            raise ModelFilesError(f"the model's memory {path} cannot be read: {error}") from error

    def save(self, folder: Path) -> None:
        """Write into `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(msgspec.msgpack.encode(self._pictures))

    def complete(self, priors: Priors, seed: int) -> Priors:
        """Words alone, with the lines and colours of a picture that they name; all else as it is.

        Args:
            priors: what came.
            seed: chooses where several fit equally well.
        """
        if priors.semantic is None or priors != Priors(priors.canvas, priors.semantic):
            return priors
        found = self.find(priors.semantic, seed)
        if found is None:
            return priors
        seen = self._decode(found)
        structure = seen.structure and replace(seen.structure, canvas=priors.canvas)
        return replace(
            priors, structure=structure, texture=seen.texture and replace(seen.texture, canvas=priors.canvas)
        )

    def find(self, semantic: Semantic, seed: int) -> int | None:
        """Number of the picture that fits a prompt best.

        It is one of what the prompt names first; of two names that begin with one word, the longer counts. Among those
        the words for medium and style decide, and where no thing is named, they alone.
        """
        words = words_of(semantic.prompt)[:MAX_WORDS]
        said = frozenset(words)
        named = self._first_named(words)
        fits: dict[float, list[int]] = {}
        for number in named if named is not None else range(len(self._pictures)):
            worth = sum(self._worth[word] for word in self._tags[number] & said)
            fits.setdefault(round(worth, 6), []).append(number)
        best = max(fits, default=0.0)
        if named is None and not best:
            return None
        return random.Random(seed).choice(fits[best])

    def _first_named(self, words: Sequence[str]) -> list[int] | None:
        for start in range(len(words)):
            for length in range(MAX_NAME, 0, -1):
                if (named := self._named.get(tuple(words[start : start + length]))) and start + length <= len(words):
                    return named
        return None

    def _decode_anew(self, number: int) -> Priors:
        try:
            return Bitstream.from_bytes(self._pictures[number].stream).decode()
        except BitstreamError as error:
            raise ModelFilesError(f"picture {number} of the model's memory cannot be read: {error}") from error


def words_of(text: str) -> list[str]:
    """The words of a text without articles, small and in the singular, near enough."""
    return list(_singular(word for word in re.findall(r"[^\W_]+", text.lower()) if word not in _ARTICLES))


def _singular(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        yield word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
