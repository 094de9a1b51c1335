"""Picture and prompt -> stream, within a budget."""

import enum
from dataclasses import replace
from itertools import zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.encoder.budget import budget_of, fit_text, rank_colors
from codec.encoder.rate_control import Lines, color_sections, size_of
from codec.layers import EdgeMap, Layer, Skeleton
from codec.structure.contours import find_contours, trace
from layercast_common.errors import BitstreamError, UsageError

#: What a caller may say of a picture's lines: find them, these, or none.
Structure = EdgeMap | Literal["canny"] | None

#: Budgets below this give streams that every reader takes the time to decode, in bytes; of others it is seen.
ALWAYS_READ = 2000


class Order(enum.StrEnum):
    """Which layers come first after the words."""

    PAPER = "paper"
    CHEAPEST = "cheapest"


def order_named(name: str) -> Order:
    """The order of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return Order(name)
    except ValueError as error:
        raise UsageError(f"no order of layers is called {name!r}; there are {', '.join(Order)}") from error


def encode(
    picture: NDArray[np.uint8],
    prompt: str,
    *,
    structure: Structure = "canny",
    budget: int | None = None,
    bpp: float | None = None,
    seed: int = 0,
    model: str = "mini",
    skeleton: Skeleton | None = None,
    order: Order = Order.PAPER,
    nested: bool = False,
) -> Bitstream:
    """Turn a picture and what is said of it into a stream of at most `budget` bytes.

    Words come first; a prompt that would take too much is shortened to whole clauses, and the stream's notes say so.
    People come next. The rest is shared between colours and lines by what more of each is worth.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        prompt: what the picture shows.
        structure: "canny" finds the lines; an edge map is used as it is given; None leaves them out.
        budget: bytes in all; from `bpp` if not given.
        bpp: bits per pixel of canvas; 0.02 if neither is given.
        seed: of the noise that the picture will be drawn from.
        model: name of the model that the picture is meant for.
        skeleton: people to send beside the lines.
        order: whether structure comes before texture as in the paper, or the smaller of the two first.
        nested: whether lines and colours come on coarse grids first and are then refined, for a few more bytes.

    Raises:
        BudgetError: the budget does not hold the header and the first word.
        UsageError: an argument is out of bounds.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise UsageError(f"a picture is (H, W, 3) uint8, not {picture.dtype} {picture.shape}")
    header = Header(picture.shape[1], picture.shape[0], seed, model)
    budget = budget_of(header.canvas, budget, bpp)
    empty = Bitstream(header).size_of(None)
    text, notes = fit_text(prompt, budget, empty)
    room = budget - empty - len(text.to_bytes())
    people, people_notes = _fit_people(skeleton, room)
    room -= size_of(people)
    found = _find_lines(picture, structure, nested=nested)
    colors = _fit_colors(picture, room, found, nested=nested)
    lines = () if found is None else found.fit(room - size_of(colors))
    if size_of(lines) + size_of(colors) < room * 3 // 4:
        # Lines that took all the cells there can be leave room for finer colours.
        colors = _fit_colors(picture, room - size_of(lines), None, nested=nested)
    layers = [(*people, *lines), colors]
    if order is Order.CHEAPEST:
        layers.sort(key=size_of)
    # The coarsest of every layer comes before what refines any.
    rest = (section for level in zip_longest(*layers) for section in level if section is not None)
    sections = (text, *rest) if nested else (text, *layers[0], *layers[1])
    stream = Bitstream(header, sections, notes + people_notes)
    if budget < ALWAYS_READ or _is_read(stream):
        return stream
    # Rare: very busy pictures with far more bytes than they are worth.
    less = encode(
        picture,
        prompt,
        structure=structure,
        budget=budget * 3 // 4,
        seed=seed,
        model=model,
        skeleton=skeleton,
        order=order,
        nested=nested,
    )
    note = f"of the {budget} bytes fewer were used: with all of them decoding would cost more than a reader allows"
    return replace(less, notes=(*less.notes, note))


def _is_read(stream: Bitstream) -> bool:
    try:
        stream.decode()
    except BitstreamError:
        return False
    return True


def _fit_people(skeleton: Skeleton | None, room: int) -> tuple[tuple[Section, ...], tuple[str, ...]]:
    from codec.coders.skeleton import encode_skeleton

    if skeleton is None or not skeleton.people:
        return (), ()
    section = Section(Layer.STRUCTURE, Coder.SKELETON, encode_skeleton(skeleton))
    if size_of([section]) > room:
        return (), (f"the budget leaves {room} bytes for poses, which need {size_of([section])}: they were left out",)
    return (section,), ()


def _find_lines(picture: NDArray[np.uint8], structure: Structure, *, nested: bool) -> Lines | None:
    if structure is None:
        return None
    if isinstance(structure, EdgeMap):
        return Lines(trace(structure.grid, structure.canvas), nested=nested, given=structure)
    return Lines(find_contours(picture)[0], nested=nested)


def _fit_colors(picture: NDArray[np.uint8], room: int, lines: Lines | None, *, nested: bool) -> tuple[Section, ...]:
    """The colours that are worth most beside lines, if there are any, and that fit."""
    canvas = picture.shape[1], picture.shape[0]
    for choice in rank_colors(canvas, room, 0 if lines is None else lines.usual_size):
        sections = color_sections(picture, choice.cell, choice.step, nested=nested)
        if size_of(sections) <= room:
            return sections
    return ()
