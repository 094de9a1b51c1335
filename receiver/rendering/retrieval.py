"""Retrieval: a training picture, for a prompt that arrives alone.

The embedded model is too small to draw a horse from the word "horse". So it ships with its training pictures, encoded
by this codec in a few hundred bytes each, and shows a picture of the same subject for a prompt alone (retrieval
augmentation; Blattmann et al., "Retrieval-Augmented Diffusion Models", NeurIPS 2022): restored from its bit planes, or
drawn from its edges and colours by a model that does not restore. If no picture shows the subject, nothing is
retrieved. Retrieved layers are never mixed with received ones: as soon as colours or fine lines arrive, only these are
used.
"""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from codec.container.bitstream import Bitstream, Coder
from codec.layers import EdgeMap, Layer, Priors, Semantic
from codec.structure.contours import line_f1
from layercast_common.errors import BitstreamError, ModelFilesError
from receiver.rendering.prompt_subject import MAX_WORDS, is_form, subject_phrases, words_of
from receiver.rendering.retrieved_layers import Retrieved

#: The index file in a model's folder `memory`, and its largest size.
FILE = "pictures.msgpack"
MAX_BYTES = 16 << 20

#: Words of the longest name.
MAX_NAME = 4

#: Decoded pictures that are cached, of 5 MB each with bit planes, and decoded edges.
DECODED, DECODED_EDGES = 2, 64

#: Prompts whose ranked pictures are cached: each level of a picture asks for them several times.
RANKED = 16

#: Received lines on a grid with at most this long side, and at most this number of cells with a line, are coarse: they
#: choose between retrieved pictures. Finer lines are drawn as they are.
MAX_COARSE_SIDE, MAX_COARSE_CELLS = 64, 250

#: Pictures that are compared with coarse lines; side of the compared drawings, and tolerance, in pixels; and the gain
#: in agreement (F1) for which another picture than that of the prompt alone is shown.
MATCHED, MATCH_SIDE, MATCH_TOLERANCE, MATCH_GAIN = 32, 160, 6, 0.1


class RetrievedPicture(msgspec.Struct, array_like=True, frozen=True):
    """A picture of the index.

    Attributes:
        names: names of the thing that it shows; a picture without a name is never found.
        tags: words for its medium and style.
        stream: a layercast stream without text: edges and colours, or coarse edges and bit planes.
    """

    names: tuple[str, ...]
    tags: tuple[str, ...]
    stream: bytes


class RetrievalIndex:
    """Pictures that are found by name. Read-only once it is made, and thread-safe."""

    def __init__(self, pictures: Sequence[RetrievedPicture]) -> None:
        self._pictures = pictures
        self._tags = [frozenset(word for tag in picture.tags for word in words_of(tag)) for picture in pictures]
        counts = Counter(word for tags in self._tags for word in tags)
        # Inverse document frequency: a match of a rare word weighs more.
        self._weights = {word: math.log(1 + len(pictures) / count) for word, count in counts.items()}
        self._by_name: dict[tuple[str, ...], list[int]] = {}
        for number, picture in enumerate(pictures):
            for name in picture.names:
                self._by_name.setdefault(tuple(words_of(name)[:MAX_NAME]), []).append(number)
        self._decode = lru_cache(DECODED)(self._decode_uncached)
        self._edges = lru_cache(DECODED_EDGES)(self._edges_uncached)
        self._rank = lru_cache(RANKED)(self._rank_uncached)

    def __len__(self) -> int:
        return len(self._pictures)

    @classmethod
    def load(cls, folder: Path) -> "RetrievalIndex":
        """Read an index that `save` wrote.

        Raises:
            ModelFilesError: the file is missing, larger than `MAX_BYTES`, or broken.
        """
        path = folder / FILE
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ModelFilesError(f"the model's retrieval index {path} is larger than {MAX_BYTES >> 20} MB")
            return cls(msgspec.msgpack.decode(path.read_bytes(), type=list[RetrievedPicture]))
        except (OSError, msgspec.MsgspecError) as error:
            raise ModelFilesError(f"the model's retrieval index {path} cannot be read: {error}") from error

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, which is created if needed.

        Raises:
            OSError: it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(msgspec.msgpack.encode(self._pictures))

    def complete(self, priors: Priors, seed: int) -> Priors:
        """Return a prompt alone with the edges and colours of a picture that it names; other priors unchanged.

        Args:
            priors: the layers received.
            seed: chooses between pictures that fit equally well.

        Raises:
            ModelFilesError: the picture's stream is broken.
        """
        found = self.choose(priors, seed)
        return priors if found is None else found.complete(priors)

    def choose(self, priors: Priors, seed: int) -> Retrieved | None:
        """Return the picture for a prompt alone, or with coarse lines; None for other priors, or if none fits.

        Raises:
            ModelFilesError: the picture's stream is broken.
        """
        found = self._candidates(priors, seed)
        if not found:
            return None
        coarse = priors.structure
        if not isinstance(coarse, EdgeMap):
            return Retrieved(priors=self._decode(found[0]))
        number, mirrored = self._match(found[:MATCHED], coarse)
        return Retrieved(priors=self._decode(number), mirrored=mirrored)

    def has_planes(self, priors: Priors, seed: int) -> bool:
        """Return whether `choose` returns a picture with bit planes. Decodes nothing."""
        found = self._candidates(priors, seed)
        # One index has pictures of one kind.
        return bool(found) and any(section.coder is Coder.PLANES for section in self._stream(found[0]).sections)

    def find(self, semantic: Semantic, seed: int) -> int | None:
        """Return the number of the picture that fits a prompt best; None if no picture shows the prompt's subject."""
        return next(iter(self._rank(semantic, seed)), None)

    def _rank_uncached(self, semantic: Semantic, seed: int) -> tuple[int, ...]:
        """Return the numbers of the pictures that show a prompt's subject, the best first; equal ones in random order.

        The candidates are the pictures with the name of the subject, see `receiver.rendering.prompt_subject`. Words for
        medium and style decide between them.
        """
        prompt_words = frozenset(words_of(semantic.prompt)[:MAX_WORDS])
        named = list(self.pictures_of(semantic.prompt))
        random.Random(seed).shuffle(named)
        scores = {n: round(sum(self._weights[word] for word in self._tags[n] & prompt_words), 6) for n in named}
        return tuple(sorted(named, key=lambda number: -scores[number]))

    def _candidates(self, priors: Priors, seed: int) -> Sequence[int]:
        """Return the numbers of the pictures for a prompt alone or with coarse lines, the best first; else none."""
        coarse = priors.structure if isinstance(priors.structure, EdgeMap) else None
        if priors.semantic is None or priors != Priors(priors.canvas, priors.semantic, coarse):
            return ()
        if coarse is not None and (
            max(coarse.grid.shape) > MAX_COARSE_SIDE or np.count_nonzero(coarse.grid) > MAX_COARSE_CELLS
        ):
            return ()
        return self._rank(priors.semantic, seed)

    def _match(self, numbers: Sequence[int], coarse: EdgeMap) -> tuple[int, bool]:
        """Return the picture whose edges agree best with coarse lines, and whether its mirror image does."""
        wanted = coarse.to_image((MATCH_SIDE, MATCH_SIDE))

        def agreement(number: int, *, mirrored: bool) -> float:
            edges = self._edges(number)
            if edges is None:
                return 0.0
            drawn = edges.to_image((MATCH_SIDE, MATCH_SIDE))
            return line_f1(drawn[:, ::-1] if mirrored else drawn, wanted, MATCH_TOLERANCE)

        agreements = {
            (number, mirrored): agreement(number, mirrored=mirrored) for number in numbers for mirrored in (False, True)
        }
        best, first = max(agreements, key=agreements.__getitem__), (numbers[0], False)
        # The first picture is the one that the prompt alone showed. Do not change it for a small gain.
        return best if agreements[best] > agreements[first] + MATCH_GAIN else first

    def pictures_of(self, prompt: str) -> Sequence[int]:
        """Return the numbers of the pictures that show the subject of a prompt; none if there are no such pictures."""
        for phrase in subject_phrases(prompt, self._weights):
            for name in phrase.names(MAX_NAME):
                # The index has only the faces of many animals.
                face = () if is_form(name[-1]) else (*name, "face")
                if named := self._by_name.get(name) or self._by_name.get(face):
                    return named
        return ()

    def names_of(self, number: int) -> tuple[str, ...]:
        """Return the names of a picture."""
        return self._pictures[number].names

    def _stream(self, number: int) -> Bitstream:
        with _named(number):
            return Bitstream.from_bytes(self._pictures[number].stream)

    def _decode_uncached(self, number: int) -> Priors:
        with _named(number):
            return self._stream(number).decode()

    def _edges_uncached(self, number: int) -> EdgeMap | None:
        """Decode the edges alone: bit planes take longer."""
        stream = self._stream(number)
        sections = tuple(section for section in stream.sections if section.layer is Layer.STRUCTURE)
        with _named(number):
            structure = replace(stream, sections=sections).decode().structure
        return structure if isinstance(structure, EdgeMap) else None


@contextmanager
def _named(number: int) -> Iterator[None]:
    """Name the picture that cannot be read in the block."""
    try:
        yield
    except BitstreamError as error:
        raise ModelFilesError(f"picture {number} of the model's retrieval index cannot be read: {error}") from error
