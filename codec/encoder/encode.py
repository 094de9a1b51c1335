"""Pixels, prompt and structure -> stream, within a byte budget."""

from dataclasses import replace
from itertools import zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.encoder.budget import byte_budget, fit_text, rank_colors
from codec.encoder.options import EncodeOptions, Order
from codec.encoder.rate_control import LineFitter, color_sections, size_of
from codec.layers import EdgeMap, Layer, Skeleton
from codec.structure.contours import find_contours, trace
from layercast_common.errors import BitstreamError, UsageError

#: The lines of a picture: find contours with Canny, use this edge map, or send no lines.
Structure = EdgeMap | Literal["canny"] | None

#: Every stream below this size, in bytes, stays within the decoder's work limit. Larger ones are checked.
ALWAYS_DECODABLE = 2000


def encode(
    picture: NDArray[np.uint8],
    prompt: str,
    options: EncodeOptions | None = None,
    *,
    structure: Structure = "canny",
    skeleton: Skeleton | None = None,
) -> Bitstream:
    """Encode pixels, a prompt and structure as a stream within the byte budget.

    The prompt comes first. If it would take too much it is shortened to whole clauses, and the stream's notes say so.
    People come next. Colours and lines share the rest by their value per byte.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        prompt: what the picture shows.
        options: budget or bpp, seed, model, order and nested are used; the defaults if None. The other options concern
            the search for prompt and structure: see `codec.encoder.picture.encode_picture`.
        structure: "canny" finds the lines; an edge map is used as it is; None sends no lines.
        skeleton: people to send in addition to the lines.

    Raises:
        BudgetError: the budget cannot hold the header and the first word.
        UsageError: the picture has another shape or type, the prompt is too long or contains half a surrogate pair,
            or the skeleton has too many people.
    """
    options = options or EncodeOptions()
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise UsageError(f"a picture is (H, W, 3) uint8, not {picture.dtype} {picture.shape}")
    header = Header(picture.shape[1], picture.shape[0], options.seed, options.model)
    budget = byte_budget(header.canvas, options)
    stream = _encode_within(budget, picture, prompt, header, options, structure, skeleton)
    if budget < ALWAYS_DECODABLE or _is_decodable(stream):
        return stream
    # Rare: very busy pictures with a budget far above their worth.
    reduced = replace(options, budget=budget * 3 // 4, bpp=None)
    smaller = encode(picture, prompt, reduced, structure=structure, skeleton=skeleton)
    note = f"of the {budget} bytes fewer were used: with all of them decoding would cost more than a reader allows"
    return replace(smaller, notes=(*smaller.notes, note))


def _encode_within(
    budget: int,
    picture: NDArray[np.uint8],
    prompt: str,
    header: Header,
    options: EncodeOptions,
    structure: Structure,
    skeleton: Skeleton | None,
) -> Bitstream:
    frame_size = Bitstream(header).size_of(None)
    text, notes = fit_text(prompt, budget, frame_size)
    left = budget - frame_size - len(text.to_bytes())
    people, people_notes = _encode_people(skeleton, left)
    left -= size_of(people)
    nested = options.nested
    fitter = _line_fitter(picture, structure, nested=nested)
    colors = _fit_colors(picture, left, fitter, nested=nested)
    lines = () if fitter is None else fitter.fit(left - size_of(colors))
    if size_of(lines) + size_of(colors) < left * 3 // 4:
        # Lines on the finest grid can leave bytes for finer colours.
        colors = _fit_colors(picture, left - size_of(lines), None, nested=nested)
    layers = [(*people, *lines), colors]
    if options.order == Order.CHEAPEST:
        layers.sort(key=size_of)
    # If nested, the coarsest section of every layer comes before any refinement.
    alternating = (section for level in zip_longest(*layers) for section in level if section is not None)
    sections = (text, *alternating) if nested else (text, *layers[0], *layers[1])
    return Bitstream(header, sections, notes + people_notes)


def _is_decodable(stream: Bitstream) -> bool:
    """Return whether decoding the stream stays within the decoder's work limit."""
    try:
        stream.decode()
    except BitstreamError:
        return False
    return True


def _encode_people(skeleton: Skeleton | None, limit: int) -> tuple[tuple[Section, ...], tuple[str, ...]]:
    """Return the section of people if it fits into `limit` bytes, else a note."""
    from codec.coders.skeleton import encode_skeleton

    if skeleton is None or not skeleton.people:
        return (), ()
    section = Section(Layer.STRUCTURE, Coder.SKELETON, encode_skeleton(skeleton))
    if size_of([section]) > limit:
        return (), (f"the budget leaves {limit} bytes for poses, which need {size_of([section])}: they were left out",)
    return (section,), ()


def _line_fitter(picture: NDArray[np.uint8], structure: Structure, *, nested: bool) -> LineFitter | None:
    if structure is None:
        return None
    if isinstance(structure, EdgeMap):
        return LineFitter(trace(structure.grid, structure.canvas), nested=nested, given=structure)
    return LineFitter(find_contours(picture)[0], nested=nested)


def _fit_colors(
    picture: NDArray[np.uint8], limit: int, lines: LineFitter | None, *, nested: bool
) -> tuple[Section, ...]:
    """Return the most valuable colours that fit into `limit` bytes, given the lines that compete with them."""
    canvas = picture.shape[1], picture.shape[0]
    for choice in rank_colors(canvas, limit, 0 if lines is None else lines.reference_size):
        sections = color_sections(picture, choice.cell, choice.step, nested=nested)
        if size_of(sections) <= limit:
            return sections
    return ()
