"""Lines and colours taken from another stream, or from a picture."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.analysis.colors import average_colors
from codec.analysis.edges import edges_from_drawing
from codec.container.bitstream import Bitstream, Section
from codec.editing.sections import check_complete, is_known, recode_colors, recode_structure, replace_layer
from codec.encoder.budget import budget_of
from codec.encoder.encode import encode
from codec.image_io import MAX_CROP, PictureSource, fit_to_canvas, load_picture
from codec.layers import ColorMap, EdgeMap, Layer, Priors, Size, Skeleton
from layercast_common.errors import UsageError

#: What a layer can be taken from; a path that ends in ".lcast" is a stream's.
Donor = Bitstream | PictureSource

#: Fewest bytes that a picture's lines are looked for in, whatever the stream takes.
MIN_BUDGET = 64


def replace_structure(stream: Bitstream, donor: Donor) -> Bitstream:
    """The stream with the lines, or people, of another stream or of a picture.

    A stream of the same canvas gives its sections byte for byte. One of another canvas is cropped to this one's aspect
    as pictures are, and its lines are drawn on a grid as fine as theirs. A picture's lines are those that it would have
    in a stream of as many bytes as this one, or of the usual 0.02 bit per pixel where that is more.

    Args:
        stream: the stream.
        donor: another stream, or a picture: a file, a PIL image, or an array (H, W, 3) uint8 RGB.

    Raises:
        UsageError: the donor has no lines, or bytes of a stream are missing.
        CodecError: the donor cannot be read.
    """
    check_complete(stream)
    canvas = stream.header.canvas
    other = _opened(donor)
    if not isinstance(other, Bitstream):
        other = encode(fit_to_canvas(other, canvas), "", budget=_room(stream))
    check_complete(other)
    priors = other.decode()
    found = [prior for prior in (priors.structure, priors.skeleton) if prior is not None]
    if not found:
        raise UsageError(f"{_name(donor)} has no lines to take")
    if other.header.canvas == canvas:
        return replace_layer(stream, Layer.STRUCTURE, _known_sections(other, Layer.STRUCTURE))
    sections = []
    for prior in found:
        fitted = _fit_edges(prior, canvas) if isinstance(prior, EdgeMap) else _fit_skeleton(prior, canvas)
        sections += recode_structure(fitted, other)
    return replace_layer(stream, Layer.STRUCTURE, sections)


def replace_texture(stream: Bitstream, donor: Donor) -> Bitstream:
    """The stream with the colours of another stream or of a picture.

    A stream of the same canvas gives its sections byte for byte. Else the colours are cropped to this canvas's aspect
    as pictures are, and averaged on the grid, and in the steps, that this stream's own colours have.

    Args:
        stream: the stream.
        donor: another stream, or a picture: a file, a PIL image, or an array (H, W, 3) uint8 RGB.

    Raises:
        UsageError: the donor has no colours, or bytes of a stream are missing.
        CodecError: the donor cannot be read.
    """
    check_complete(stream)
    canvas = stream.header.canvas
    other = _opened(donor)
    if isinstance(other, Bitstream):
        check_complete(other)
        texture = other.decode().texture
        if texture is None:
            raise UsageError(f"{_name(donor)} has no colours to take")
        if other.header.canvas == canvas:
            return replace_layer(stream, Layer.TEXTURE, _known_sections(other, Layer.TEXTURE))
        other = Image.fromarray(texture.to_image())
    colors = _average(fit_to_canvas(other, canvas), stream.decode())
    return replace_layer(stream, Layer.TEXTURE, recode_colors(stream, colors))


def _opened(donor: Donor) -> Bitstream | Image.Image:
    if isinstance(donor, Bitstream):
        return donor
    if isinstance(donor, str | Path) and Path(donor).suffix.lower() == ".lcast":
        return Bitstream.load(donor)
    return load_picture(donor).image


def _name(donor: Donor) -> str:
    return str(donor) if isinstance(donor, str | Path) else "the other stream"


def _room(stream: Bitstream) -> int:
    """Bytes in which a stream without words would leave its lines what this one could."""
    whole = max(len(stream.to_bytes()), budget_of(stream.header.canvas, None, None))
    return max(whole - stream.size_of(Layer.SEMANTIC), MIN_BUDGET)


def _known_sections(stream: Bitstream, layer: Layer) -> list[Section]:
    return [section for section in stream.sections if section.layer == layer and is_known(section)]


def _average(picture: NDArray[np.uint8], priors: Priors) -> ColorMap:
    """A picture's colours on the grid of those that are known, or on the usual one."""
    if priors.texture is None:
        return average_colors(picture)
    size = priors.texture.colors.shape[1::-1]
    return replace(priors.texture, colors=np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8))


def _fit_edges(edges: EdgeMap, canvas: Size) -> EdgeMap:
    drawing = fit_to_canvas(Image.fromarray(edges.to_image()).convert("RGB"), canvas)[..., 0]
    return edges_from_drawing(drawing, max(edges.grid.shape), canvas)


def _fit_skeleton(skeleton: Skeleton, canvas: Size) -> Skeleton:
    corner, scale = _placement(skeleton.canvas, canvas)

    def fit(point: tuple[float, float] | None) -> tuple[float, float] | None:
        if point is None:
            return None
        x, y = ((np.array(point) - corner) * scale).tolist()
        return (x, y) if 0 <= x < canvas[0] and 0 <= y < canvas[1] else None

    return Skeleton(tuple(tuple(fit(point) for point in person) for person in skeleton.people), canvas)


def _placement(size: Size, canvas: Size) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Which corner (x, y) of a picture comes to lie on the canvas's, and the scale, as `fit_to_canvas` has them."""
    aspect = canvas[0] / canvas[1]
    kept = np.array(
        [
            min(size[0], max(size[1] * aspect, size[0] * (1 - MAX_CROP))),
            min(size[1], max(size[0] / aspect, size[1] * (1 - MAX_CROP))),
        ]
    )
    return (np.array(size) - kept) / 2, np.array(canvas) / kept
