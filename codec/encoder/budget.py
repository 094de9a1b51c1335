"""The byte budget of a stream, and its split between prompt, lines and colours.

The prompt comes first, whole or shortened. Before bit planes, lines get a small share of the rest. A grid of colours
shares the rest with the lines by value: two curves, measured on the training
pictures by `training.tables.budget`, give the agreement of lines and the error of colours by their size.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from codec.coders.tables import load_table
from codec.container.sections import Coder, Section
from codec.encoder.options import EncodeOptions, Order
from codec.encoder.rate_control import count_fitting
from codec.layers import Layer, Semantic, Size
from layercast_common.errors import BudgetError, UsageError

#: Default budget, in bits per pixel of canvas: 655 bytes at 512x512.
DEFAULT_BPP = 0.02

#: Largest share of the budget for the prompt; a longer prompt is shortened.
TEXT_SHARE = 0.4

#: Agreement of lines (F1) that equals a CIEDE2000 of 1 in value, both in 1/10000: a judgement, not a measurement.
DIFFERENCE_WORTH = 100

#: Colour grids to choose from: side of a cell, in pixels of canvas.
COLOR_CELLS = (128, 64, 32)

#: Coarse lines before bit planes: bytes, framing included, and the share 1/n of the bytes after the prompt. Below
#: `MIN_LEFT` bytes after the prompt there are no lines unless they are asked for.
MIN_LINES, MAX_LINES, LINES_SHARE, MIN_LEFT = 40, 100, 12, 240

#: Share 1/n of the bytes after the prompt for lines that a person or an annotator drew, and for models with adapters,
#: which draw along the lines; and the maximum for the latter, in bytes.
DRAWN_SHARE, MAX_ADAPTER_LINES = 3, 300

#: The model that draws from bit planes without lines.
_WITHOUT_ADAPTERS = "mini"

_CLAUSE_END = re.compile(r"\s*[,;.:!?|()\[\]\n。、，；：！？]+\s*")
_WORD_END = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class ColorChoice:
    """A colour grid and its step size.

    Attributes:
        cell: side of a cell, in pixels of canvas.
        step: index of `codec.coders.colors.model.TENTHS`.
    """

    cell: int
    step: int


def byte_budget(canvas: Size, options: EncodeOptions) -> int:
    """Return the size limit of a stream, in bytes.

    Args:
        canvas: (width, height), in pixels.
        options: `budget`, else `bpp`, else `DEFAULT_BPP` apply.

    Raises:
        UsageError: the bits per pixel do not give a single byte.
    """
    if options.budget is not None:
        return options.budget
    budget = int((DEFAULT_BPP if options.bpp is None else options.bpp) * canvas[0] * canvas[1] / 8)
    if budget <= 0:
        raise UsageError(f"a budget is a positive number of bytes, not {budget}")
    return budget


def fit_text(prompt: str, budget: int, frame_size: int) -> tuple[Section, tuple[str, ...]]:
    """Encode the prompt, shortened if it would take more than its share of the budget.

    Args:
        prompt: the text.
        budget: size limit of the stream, in bytes.
        frame_size: size of a stream without sections, in bytes.

    Returns:
        The section, and a note if the prompt was shortened.

    Raises:
        BudgetError: not even the first word fits.
        UsageError: the prompt is too long or contains half a surrogate pair.
    """
    whole = _text_section(prompt)
    limit = min(int(budget * TEXT_SHARE), budget - frame_size)
    if len(whole.to_bytes()) <= limit:
        return whole, ()
    shorter = _shorten(prompt, lambda start: len(_text_section(start).to_bytes()) <= limit)
    if shorter is None:
        raise BudgetError(budget, frame_size + len(whole.to_bytes()), "the header and the prompt")
    note = f"the prompt was shortened from {len(prompt)} to {len(shorter)} characters to fit the budget"
    return _text_section(shorter), (note,)


def _text_section(prompt: str) -> Section:
    from codec.coders.text.payload import encode_text

    return Section(Layer.SEMANTIC, Coder.TEXT, encode_text(Semantic(prompt)))


def _shorten(prompt: str, fits: Callable[[str], bool]) -> str | None:
    """Return the longest beginning that fits: whole clauses if possible, else whole words, else None."""
    for border in (_CLAUSE_END, _WORD_END):
        ends = [match.start() for match in border.finditer(prompt) if match.start()]
        count = count_fitting([prompt[:end] for end in ends], fits)
        if count:
            return prompt[: ends[count - 1]]
    return None


def line_limit(limit: int, options: EncodeOptions, *, given: bool, asked: bool) -> int:
    """Return the size limit of lines that precede bit planes, in bytes; 0 for no lines.

    Args:
        limit: bytes for lines and bit planes together.
        options: `order` and `model` are used.
        given: whether the lines are a given edge map.
        asked: whether the structure was chosen explicitly.
    """
    if options.order == Order.FIDELITY and not asked:
        return 0
    if given:
        return limit // DRAWN_SHARE
    if options.model != _WITHOUT_ADAPTERS:
        return min(limit // DRAWN_SHARE, MAX_ADAPTER_LINES)
    if limit < (2 * MIN_LINES if asked else MIN_LEFT):
        return 0
    return max(MIN_LINES, min(limit // LINES_SHARE, MAX_LINES))


def rank_colors(canvas: Size, limit: int, line_size: int) -> list[ColorChoice]:
    """Rank colour grids by the joint value of the colours and of lines in the remaining bytes, the best first.

    Args:
        canvas: (width, height), in pixels.
        limit: bytes for lines and colours together.
        line_size: size of the picture's lines on a grid of `rate_control.FIRST_SIDE`, in bytes; 0 without lines.

    Returns:
        The choices that are better than no colours.
    """
    table = load_table("budget")
    values = []
    for cell, step, size, difference in table["colors"].tolist():
        cells = max(1, round(canvas[0] / cell)) * max(1, round(canvas[1] / cell)) if cell else 0
        left = limit - (size * cells + 500) // 1000
        agreement = _agreement(left * 1000 // line_size) if line_size else 0
        if left >= 0:
            values.append((agreement - difference * DIFFERENCE_WORTH // 100, cell, step))
    values.sort(reverse=True)
    choices = [ColorChoice(cell, step) for _, cell, step in values]
    return choices[: next((index for index, choice in enumerate(choices) if not choice.cell), len(choices))]


@cache
def _line_curve() -> tuple[tuple[int, int], ...]:
    """Return (size, agreement) along the curve of lines, sizes in 1/1000 of that at `rate_control.FIRST_SIDE`."""
    return tuple((size, agreement) for size, agreement in load_table("budget")["lines"].tolist())


def _agreement(size: int) -> int:
    """Return the agreement of lines of a relative size, in 1/10000."""
    before = (0, 0)
    for point in _line_curve():
        if size < point[0]:
            return before[1] + (point[1] - before[1]) * (size - before[0]) // (point[0] - before[0])
        before = point
    return before[1]
