"""Take lines or colours from another stream or from a picture."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.analysis.colors import average_colors
from codec.analysis.edges import edges_from_drawing
from codec.canvas import crop_box, fit_to_canvas
from codec.container.bitstream import Bitstream, Section
from codec.editing.planes import draw_planes
from codec.editing.sections import check_complete, recode_colors, recode_structure, replace_layer
from codec.encoder.budget import byte_budget
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.image_io import PictureSource, load_picture
from codec.layers import ColorMap, EdgeMap, Layer, Priors, Size, Skeleton
from layercast_common.errors import UsageError

#: Smallest budget for a picture's lines, in bytes.
MIN_BUDGET = 64

#: A source of a layer: a stream or a picture; a path that ends in ".lcast" is a stream file.
Donor = Bitstream | PictureSource


def replace_structure(stream: Bitstream, donor: Donor) -> Bitstream:
    """Return the stream with the lines, or people, of another stream or of a picture.

    Sections of a stream with the same canvas are copied byte for byte. With another canvas the priors are cropped to
    this canvas's aspect, and lines are drawn on an equally fine grid. A picture's lines are those that it would have in
    a stream without bit planes of the size of this one, or of 0.02 bit per pixel if that is more. A stream with bit
    planes gives the lines of its decoded picture; the bit planes of this stream are replaced by colours.

    Args:
        stream: the stream.
        donor: another stream, or a picture: a file, a PIL image, or an array (H, W, 3) uint8 RGB.

    Raises:
        UsageError: the donor has no lines, or bytes of a stream are missing.
        PictureError, BitstreamError: the donor is not a picture or stream, or is damaged.
        StorageError: the donor's stream file cannot be read.
    """
    check_complete(stream)
    canvas = stream.header.canvas
    other = _open(donor)
    if isinstance(other, Bitstream):
        check_complete(other)
        priors = other.decode()
        if priors.plane is not None:
            other = Image.fromarray(priors.plane.to_image())
    if not isinstance(other, Bitstream):
        other = encode(fit_to_canvas(other, canvas), "", EncodeOptions(budget=_line_budget(stream), texture="grid"))
        priors = other.decode()
    stream = draw_planes(stream)
    found = [prior for prior in (priors.structure, priors.skeleton) if prior is not None]
    if not found:
        raise UsageError(f"{_name(donor)} has no lines to take")
    if other.header.canvas == canvas:
        return replace_layer(stream, Layer.STRUCTURE, _decodable_sections(other, Layer.STRUCTURE))
    sections = []
    for prior in found:
        fitted = _fit_edges(prior, canvas) if isinstance(prior, EdgeMap) else _fit_skeleton(prior, canvas)
        sections += recode_structure(fitted, other)
    return replace_layer(stream, Layer.STRUCTURE, sections)


def replace_texture(stream: Bitstream, donor: Donor) -> Bitstream:
    """Return the stream with the colours of another stream or of a picture.

    Sections of a stream with the same canvas are copied byte for byte. Otherwise, and if they are bit planes, the
    colours are cropped to this canvas's aspect, and averaged on the grid and with the step size of this stream's own
    colours. Bit planes of this stream are replaced by such colours and by the lines of the decoded picture.

    Args:
        stream: the stream.
        donor: another stream, or a picture: a file, a PIL image, or an array (H, W, 3) uint8 RGB.

    Raises:
        UsageError: the donor has no colours, or bytes of a stream are missing.
        PictureError, BitstreamError: the donor is not a picture or stream, or is damaged.
        StorageError: the donor's stream file cannot be read.
    """
    check_complete(stream)
    canvas = stream.header.canvas
    other = _open(donor)
    if isinstance(other, Bitstream):
        check_complete(other)
        priors = other.decode()
        if priors.texture is None:
            raise UsageError(f"{_name(donor)} has no colours to take")
        if other.header.canvas == canvas and priors.plane is None:
            return replace_layer(draw_planes(stream), Layer.TEXTURE, _decodable_sections(other, Layer.TEXTURE))
        other = Image.fromarray(priors.texture.to_image() if priors.plane is None else priors.plane.to_image())
    stream = draw_planes(stream)
    colors = _average_like(fit_to_canvas(other, canvas), stream.decode())
    return replace_layer(stream, Layer.TEXTURE, recode_colors(stream, colors))


def _open(donor: Donor) -> Bitstream | Image.Image:
    if isinstance(donor, Bitstream):
        return donor
    if isinstance(donor, str | Path) and Path(donor).suffix.lower() == ".lcast":
        return Bitstream.load(donor)
    return load_picture(donor).image


def _name(donor: Donor) -> str:
    return str(donor) if isinstance(donor, str | Path) else "the other stream"


def _line_budget(stream: Bitstream) -> int:
    """Return the budget of a stream without a prompt that leaves as many bytes for lines as this stream has."""
    whole = max(len(stream.to_bytes()), byte_budget(stream.header.canvas, EncodeOptions()))
    return max(whole - stream.size_of(Layer.SEMANTIC), MIN_BUDGET)


def _decodable_sections(stream: Bitstream, layer: Layer) -> list[Section]:
    return [section for section in stream.sections if section.layer == layer and section.decodable]


def _average_like(picture: NDArray[np.uint8], priors: Priors) -> ColorMap:
    """Average a picture's colours on the grid of the priors' texture, or on the default grid."""
    if priors.texture is None:
        return average_colors(picture)
    size = priors.texture.colors.shape[1::-1]
    return replace(priors.texture, colors=np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8))


def _fit_edges(edges: EdgeMap, canvas: Size) -> EdgeMap:
    drawing = fit_to_canvas(Image.fromarray(edges.to_image()).convert("RGB"), canvas)[..., 0]
    return edges_from_drawing(drawing, max(edges.grid.shape), canvas)


def _fit_skeleton(skeleton: Skeleton, canvas: Size) -> Skeleton:
    left, top, right, bottom = crop_box(skeleton.canvas, canvas)
    scale_x, scale_y = canvas[0] / (right - left), canvas[1] / (bottom - top)

    def fit(point: tuple[float, float] | None) -> tuple[float, float] | None:
        if point is None:
            return None
        x, y = (point[0] - left) * scale_x, (point[1] - top) * scale_y
        return (x, y) if 0 <= x < canvas[0] and 0 <= y < canvas[1] else None

    return Skeleton(tuple(tuple(fit(point) for point in person) for person in skeleton.people), canvas)
