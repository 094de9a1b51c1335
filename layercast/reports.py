"""Describes streams, with the same figures for people and for scripts."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from codec.container.bitstream import Bitstream
from codec.layers import EdgeMap, Layer, Priors, Skeleton
from layercast_common.errors import BitstreamError, TruncatedError


def layer_name(layer: Layer | int) -> str:
    """Return a layer's name in lower case; its number if the layer is unknown."""
    return layer.name.lower() if isinstance(layer, Layer) else str(layer)


def describe(stream: Bitstream, path: Path | None = None) -> dict[str, Any]:
    """Return header, sections and sizes of a stream. Sizes are in bytes, include framing and add up to `bytes`.

    `planes` has the lowest bit plane of any coefficient and its step; None without bit planes.

    Raises:
        BitstreamError: a section is damaged.
    """
    pixels = stream.header.width * stream.header.height
    total = len(stream.to_bytes())
    layers = sorted({section.layer for section in stream.sections})
    priors = stream.decode()
    return {
        "file": None if path is None else str(path),
        "bytes": total,
        "bpp": 8 * total / pixels,
        "width": stream.header.width,
        "height": stream.header.height,
        "seed": stream.header.seed,
        "model": stream.header.model,
        "prompt": priors.semantic.prompt if priors.semantic else None,
        "guess": None if stream.header.guess is None else asdict(stream.header.guess),
        "structure": _structure(priors),
        "texture": None
        if priors.texture is None
        else "x".join(str(side) for side in priors.texture.colors.shape[1::-1]),
        "planes": _planes(priors),
        "container_bytes": stream.size_of(None),
        "layers": {layer_name(layer): _sized(stream.size_of(layer), pixels) for layer in layers},
        "sections": [
            {"layer": layer_name(section.layer), "coder": _coder(section.coder)}
            | _sized(len(section.to_bytes()), pixels)
            for section in stream.sections
        ],
    }


def load_stream(path: Path, *, partial: bool | None = None) -> Bitstream:
    """Read a stream from a file, and check that it decodes.

    Args:
        path: the file.
        partial: accept a truncated stream; None for a command without `--partial`.

    Raises:
        BitstreamError: the stream is damaged or truncated; the text names the file.
        StorageError: the file cannot be read.
    """
    try:
        stream = Bitstream.load(path, partial=bool(partial))
    except TruncatedError as error:
        if partial:
            raise
        # Raises if not even the header is complete.
        Bitstream.load(path, partial=True)
        way = "layercast info --partial shows" if partial is None else "--partial accepts"
        raise TruncatedError(f"{path}: truncated; {way} the layers before the end") from error
    try:
        stream.decode()
    except BitstreamError as error:
        raise BitstreamError(f"{path}: {error}") from error
    return stream


def _sized(size: int, pixels: int) -> dict[str, Any]:
    return {"bytes": size, "bpp": 8 * size / pixels}


def _coder(coder: int) -> str:
    name = getattr(coder, "name", None)
    return str(coder) if name is None else str(name).lower()


def _planes(priors: Priors) -> dict[str, int] | None:
    """Return the lowest bit plane that has come of any coefficient, and the size of its steps."""
    if priors.plane is None:
        return None
    return {"lowest": priors.plane.lowest, "step": 1 << priors.plane.lowest}


def _structure(priors: Priors) -> str | None:
    """Return the grid of the edges, the number of people, or both."""
    parts = []
    for prior in (priors.structure, priors.skeleton):
        match prior:
            case EdgeMap():
                parts.append("edges {1}x{0}".format(*prior.grid.shape))
            case Skeleton():
                parts.append(f"skeleton of {len(prior.people)}")
    return ", ".join(parts) or None
