"""Pixels, prompt and structure -> stream, within a byte budget."""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.container.guess import Guess
from codec.encoder.budget import byte_budget, fit_text, line_limit
from codec.encoder.grids import grid_sections
from codec.encoder.options import EncodeOptions, Order, TextureForm, texture_form
from codec.encoder.planes import plane_sections
from codec.encoder.rate_control import LineFitter, size_of
from codec.layers import EdgeMap, Layer, Skeleton
from codec.structure.contours import find_contours, trace
from layercast_common.errors import BitstreamError, UsageError

#: The lines of a picture: those of its contours, found with Canny; an edge map; none; or "auto", as the order of the
#: layers suggests.
Structure = EdgeMap | Literal["auto", "canny"] | None

#: Every stream below this size, in bytes, stays within the decoder's work limit. Larger ones are checked.
ALWAYS_DECODABLE = 2000


def encode(
    picture: NDArray[np.uint8],
    prompt: str,
    options: EncodeOptions | None = None,
    *,
    structure: Structure = "auto",
    skeleton: Skeleton | None = None,
    guess: Guess | None = None,
) -> Bitstream:
    """Encode pixels, a prompt and structure as a stream within the byte budget.

    The prompt comes first. If it would take too much it is shortened to whole clauses, and the stream's notes say so.
    People come next, then coarse lines, see `codec.encoder.budget.line_limit`. The rest is for the bit planes of the
    picture, see `codec.encoder.planes`. With a grid of colours instead of bit planes, colours and lines share the bytes
    by their value, see `codec.encoder.grids`.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        prompt: what the picture shows.
        options: budget or bpp, seed, model, order, texture and nested are used; the defaults if None. The other options
            concern the search for prompt and structure: see `codec.encoder.picture.encode_picture`.
        structure: "canny" finds the lines; an edge map is used as it is; None sends no lines; "auto" finds them unless
            the order is "fidelity" or the budget is small.
        skeleton: people to send in addition to the lines.
        guess: the origin of the prompt if a program guessed it; it takes one byte.

    Raises:
        BudgetError: the budget cannot hold the header and the first word.
        UsageError: the picture has another shape or type, the prompt is too long or contains half a surrogate pair,
            the skeleton has too many people, or bit planes are asked for and the canvas is too large for them.
    """
    options = options or EncodeOptions()
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise UsageError(f"a picture is (H, W, 3) uint8, not {picture.dtype} {picture.shape}")
    header = Header(picture.shape[1], picture.shape[0], options.seed, options.model, guess)
    budget = byte_budget(header.canvas, options)
    stream = _encode_within(budget, picture, prompt, header, options, structure, skeleton)
    if budget < ALWAYS_DECODABLE or _is_decodable(stream):
        return stream
    # Rare: very busy pictures with a budget far above their worth.
    reduced = replace(options, budget=budget * 3 // 4, bpp=None)
    smaller = encode(picture, prompt, reduced, structure=structure, skeleton=skeleton, guess=guess)
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
    if texture_form(options, header.canvas) == TextureForm.PLANES:
        layers = _encode_planes(picture, left, structure, people, options)
    else:
        lines = _line_fitter(picture, structure, nested=options.nested)
        layers = grid_sections(picture, left, lines, people, options)
    return Bitstream(header, (text, *layers), notes + people_notes)


def _encode_planes(
    picture: NDArray[np.uint8],
    limit: int,
    structure: Structure,
    people: tuple[Section, ...],
    options: EncodeOptions,
) -> tuple[Section, ...]:
    """Return the sections of people, lines and bit planes in the order of `options`."""
    room = line_limit(limit, options, given=isinstance(structure, EdgeMap), asked=structure != "auto")
    fitter = _line_fitter(picture, structure, nested=False) if room else None
    lines = () if fitter is None else fitter.fit(room)
    planes = plane_sections(picture, limit - size_of(lines))
    if options.order == Order.CHEAPEST:
        texture = tuple(section for section in planes if section.layer == Layer.TEXTURE)
        if size_of(texture) < size_of((*people, *lines)):
            return (*texture, *people, *lines, *planes[len(texture) :])
    return (*people, *lines, *planes)


def _is_decodable(stream: Bitstream) -> bool:
    """Return whether decoding the stream stays within the decoder's work limit. Planes do not count towards it."""
    counted = tuple(section for section in stream.sections if section.coder != Coder.PLANES)
    try:
        replace(stream, sections=counted).decode()
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
