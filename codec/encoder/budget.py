"""How many bytes a picture may take, and which words and colours are worth theirs.

Words come first, whole or shortened. Of the rest, colours take what they are worth more for than lines: how well lines
agree by their bytes, and how far off colours are by theirs, are curves measured on the training pictures
(`training.tables.budget`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from codec.coders.tables import load_table
from codec.container.bitstream import Coder, Section
from codec.encoder.rate_control import most
from codec.layers import Layer, Semantic, Size
from layercast_common.errors import BudgetError, UsageError

#: Bits per pixel of canvas that a picture may take unless told otherwise: 655 bytes at 512x512.
DEFAULT_BPP = 0.02

#: Share of a budget that words may take before a long prompt is shortened.
TEXT_SHARE = 0.4

#: What a CIEDE2000 of 1 is worth in agreement of lines (F1), both in 1/10000: a judgement, not a measurement.
DIFFERENCE_WORTH = 100

#: Grids of colours: pixels of canvas on the side of a cell.
COLOR_CELLS = (128, 64, 32)

_CLAUSE_END = re.compile(r"\s*[,;.:!?|()\[\]\n。、，；：！？]+\s*")
_WORD_END = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class ColorChoice:
    """A grid of colours in steps of one size.

    Attributes:
        cell: pixels of canvas on the side of a cell.
        step: index of `codec.coders.colors.model.TENTHS`.
    """

    cell: int
    step: int


def budget_of(canvas: Size, budget: int | None, bpp: float | None) -> int:
    """Bytes that a picture may take.

    Args:
        canvas: (width, height), in pixels.
        budget: bytes, if they are given.
        bpp: bits per pixel of canvas, if they are given instead.

    Raises:
        UsageError: both are given, or one of them is not positive.
    """
    if budget is not None and bpp is not None:
        raise UsageError("give a budget in bytes or in bits per pixel, not both")
    if budget is None:
        pixels = canvas[0] * canvas[1]
        budget = int((DEFAULT_BPP if bpp is None else bpp) * pixels / 8)
    if budget <= 0:
        raise UsageError(f"a budget is a positive number of bytes, not {budget}")
    return budget


def fit_text(prompt: str, budget: int, empty: int) -> tuple[Section, tuple[str, ...]]:
    """The words, shortened where they would take too much, and notes that say so.

    Args:
        prompt: the words.
        budget: bytes of the stream.
        empty: bytes of a stream without sections.

    Raises:
        BudgetError: not even the first word fits.
    """
    whole = _text_section(prompt)
    share = min(int(budget * TEXT_SHARE), budget - empty)
    if len(whole.to_bytes()) <= share:
        return whole, ()
    shorter = _shorten(prompt, lambda start: len(_text_section(start).to_bytes()) <= share)
    if shorter is None:
        raise BudgetError(budget, empty + len(whole.to_bytes()), "the header and the prompt")
    note = f"the prompt was shortened from {len(prompt)} to {len(shorter)} characters to fit the budget"
    return _text_section(shorter), (note,)


def _text_section(prompt: str) -> Section:
    from codec.coders.text.payload import encode_text

    return Section(Layer.SEMANTIC, Coder.TEXT, encode_text(Semantic(prompt)))


def _shorten(prompt: str, fits: Callable[[str], bool]) -> str | None:
    """The longest beginning of a prompt that fits: whole clauses if one does, else whole words, else None."""
    for border in (_CLAUSE_END, _WORD_END):
        ends = [match.start() for match in border.finditer(prompt) if match.start()]
        count = most(len(ends), lambda index, ends=ends: fits(prompt[: ends[index]]))  # type: ignore[misc]
        if count:
            return prompt[: ends[count - 1]]
    return None


def rank_colors(canvas: Size, room: int, line_size: int) -> list[ColorChoice]:
    """Colours by what they, and lines in the bytes that they leave, are worth together, the best first.

    Args:
        canvas: (width, height), in pixels.
        room: bytes for lines and colours.
        line_size: bytes that the picture's lines take on a grid of `rate_control.FIRST_SIDE`; 0 without lines.

    Returns:
        Those that are worth more than none.
    """
    table = load_table("budget")
    values = []
    for cell, step, size, difference in table["colors"].tolist():
        cells = max(1, round(canvas[0] / cell)) * max(1, round(canvas[1] / cell)) if cell else 0
        left = room - (size * cells + 500) // 1000
        agreement = _agreement(left * 1000 // line_size) if line_size else 0
        if left >= 0:
            values.append((agreement - difference * DIFFERENCE_WORTH // 100, cell, step))
    values.sort(reverse=True)
    choices = [ColorChoice(cell, step) for _, cell, step in values]
    return choices[: next((index for index, choice in enumerate(choices) if not choice.cell), len(choices))]


@cache
def _lines() -> tuple[tuple[int, int], ...]:
    """(size, agreement) along the curve of lines, sizes in 1/1000 of that at `rate_control.FIRST_SIDE`."""
    return tuple((size, agreement) for size, agreement in load_table("budget")["lines"].tolist())


def _agreement(size: int) -> int:
    """How well lines of a relative size agree, in 1/10000."""
    before = (0, 0)
    for point in _lines():
        if size < point[0]:
            return before[1] + (point[1] - before[1]) * (size - before[0]) // (point[0] - before[0])
        before = point
    return before[1]
