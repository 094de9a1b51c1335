"""What is said of a stream: the same figures for people and for scripts."""

from pathlib import Path
from typing import Any

from codec.container.bitstream import Bitstream
from codec.layers import EdgeMap, Layer, Priors, Skeleton
from layercast_common.errors import BitstreamError, TruncatedError


def layer_name(layer: Layer | int) -> str:
    """A layer's name, lower case; its number if it is not known."""
    return layer.name.lower() if isinstance(layer, Layer) else str(layer)


def describe(stream: Bitstream, path: Path | None = None) -> dict[str, Any]:
    """Header, sections and sizes of a stream; sizes count framing, and add up to `bytes`."""
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
        "structure": _structure(priors),
        "texture": None
        if priors.texture is None
        else "x".join(str(side) for side in priors.texture.colors.shape[1::-1]),
        "container_bytes": stream.size_of(None),
        "layers": {layer_name(layer): _sized(stream.size_of(layer), pixels) for layer in layers},
        "sections": [
            {"layer": layer_name(section.layer), "coder": _coder(section.coder)}
            | _sized(len(section.to_bytes()), pixels)
            for section in stream.sections
        ],
    }


def load_stream(path: Path, *, partial: bool | None = None) -> Bitstream:
    """Read a stream from a file, and see that it decodes.

    Args:
        path: the file.
        partial: whether a beginning will do; None for a command without `--partial`.

    Raises:
        BitstreamError: as `Bitstream.load`, or a section does not decode; it names the file.
    """
    try:
        stream = Bitstream.load(path, partial=bool(partial))
    except TruncatedError as error:
        if partial:
            raise
        # Where not even the header is whole, this tells so.
        Bitstream.load(path, partial=True)
        way = "layercast info --partial tells" if partial is None else "--partial takes"
        raise TruncatedError(f"{path}: cut short; {way} what came of it") from error
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


def _structure(priors: Priors) -> str | None:
    """The grid of the lines, the number of people, or both."""
    told = []
    for prior in (priors.structure, priors.skeleton):
        match prior:
            case EdgeMap():
                told.append("edges {1}x{0}".format(*prior.grid.shape))
            case Skeleton():
                told.append(f"skeleton of {len(prior.people)}")
    return ", ".join(told) or None
