"""docs/bitstream.md: its example is real, and its numbers are those of the code.

After a change of the format write the example again:
    LAYERCAST_GOLDEN=write pytest tests/reference/test_bitstream_doc.py
"""

import contextlib
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest

from codec.coders import skeleton
from codec.coders.colors import payload as colors
from codec.coders.colors.payload import encode_colors
from codec.coders.edges import payload as edges
from codec.coders.edges.payload import encode_edges
from codec.coders.planes import payload as planes
from codec.coders.skeleton import encode_skeleton
from codec.coders.tables import load_table
from codec.coders.text import payload as text
from codec.container import decoding, header, sections
from codec.container.bitstream import Bitstream, Coder
from codec.layers import ColorMap, EdgeMap, Layer, Skeleton
from codec.wavelet import transform

DOC = Path(__file__).parents[2] / "docs" / "bitstream.md"
REGENERATE = "LAYERCAST_GOLDEN=write pytest tests/reference/test_bitstream_doc.py"

_BLOCK = re.compile(r"(?<=```\n\n)(?:    .*\n)+\Z")


def made() -> Bitstream:
    """Return the stream that the example's code prints."""
    (code,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, DOC.name, "exec"), {})
    return Bitstream.from_bytes(bytes.fromhex(printed.getvalue()))


def described(stream: Bitstream) -> str:
    """Return the example's bytes with a comment, one part of the stream on each line."""
    tail = stream.to_bytes()[-3:]
    head = f"magic, version 1 with {stream.header.seed.bit_length() + 7 >> 3} byte of seed, canvas and model, seed"
    lines = [(stream.header.to_bytes(), head)]
    for section in stream.sections:
        framing = section.to_bytes()[: -len(section.payload)]
        name = Coder(section.coder).name
        lines.append((framing, f"layer {int(section.layer)}, coder {int(section.coder)}: {name}"))
        lines += [(section.payload[start : start + 24], "") for start in range(0, len(section.payload), 24)]
    lines.append((tail, "end, check"))
    return "".join(f"    {data.hex(' '):<18}  {about}".rstrip() + "\n" for data, about in lines)


def written() -> Bitstream:
    """Return the stream whose bytes are in the document."""
    if os.environ.get("LAYERCAST_GOLDEN") == "write":
        content = _BLOCK.sub(lambda _: described(made()), DOC.read_text(encoding="utf-8"))
        DOC.write_text(content, encoding="utf-8")
    (block,) = _BLOCK.findall(DOC.read_text(encoding="utf-8"))
    digits = [re.match(r"    ((?:[0-9a-f]{2} ?)*)", line) for line in block.splitlines()]
    return Bitstream.from_bytes(bytes.fromhex(" ".join(found[1] for found in digits if found)))


def test_the_example_matches_its_code() -> None:
    assert written().to_bytes() == made().to_bytes(), f"docs/bitstream.md is out of date: {REGENERATE}"


def test_the_example_decodes() -> None:
    stream = written()
    priors = stream.decode()
    assert stream.header == header.Header(128, 128, 7, "mini")
    assert priors.semantic is not None
    assert priors.semantic.prompt == "a red house on a green hill"
    assert isinstance(priors.structure, EdgeMap)
    drawn = [" ".join(".#"[int(cell)] for cell in row) for row in priors.structure.grid]
    assert "\n".join(drawn) in DOC.read_text(encoding="utf-8")
    assert priors.texture is not None
    wanted = np.array([[(120, 170, 230)] * 2, [(90, 140, 70)] * 2])
    assert np.abs(priors.texture.colors.astype(int) - wanted).max() < 40


@pytest.mark.parametrize("coder", Coder)
def test_every_coder_is_listed(coder: Coder) -> None:
    pattern = rf"^\| {coder.value} {coder.name} \| ([\d, ]+) \|.*`(codec/.*)` \|$"
    (row,) = re.findall(pattern, DOC.read_text(encoding="utf-8"), re.MULTILINE)
    assert {int(layer) for layer in row[0].split(", ")} == sections.LAYERS_OF[coder]
    assert (DOC.parents[1] / row[1]).is_file()


CANVAS = (512, 256)


@pytest.mark.parametrize(
    ("payload", "head"),
    [
        (encode_edges(EdgeMap(np.zeros((32, 64), np.bool_), CANVAS)), (0b000_00111,)),
        (encode_edges(EdgeMap(np.zeros((32, 64), np.bool_), CANVAS), halved=True), (0b001_00111,)),
        (
            encode_edges(EdgeMap(np.zeros((32, 64), np.bool_), CANVAS), EdgeMap(np.zeros((16, 32), np.bool_), CANVAS)),
            (0b010_00000,),
        ),
        (encode_edges(EdgeMap(np.zeros((32, 60), np.bool_), CANVAS)), (0b100_00000, 59, 31)),
        (encode_edges(EdgeMap(np.zeros((30, 60), np.bool_), CANVAS)), (0b100_00001, 59)),
        (encode_colors(ColorMap(np.zeros((4, 8, 3), np.uint8), CANVAS), 1), (0b0001_0011,)),
        (encode_colors(ColorMap(np.zeros((5, 8, 3), np.uint8), CANVAS), 2), (0b1010_0000, 7, 4)),
        (encode_skeleton(Skeleton(((None,) * 18,) * 5, CANVAS)), (5,)),
    ],
)
def test_payloads_begin_as_described(payload: bytes, head: tuple[int, ...]) -> None:
    assert tuple(payload[: len(head)]) == head


@pytest.mark.parametrize("name", ["text", "edges", "colors", "planes"])
def test_the_tables_arrays_are_listed(name: str) -> None:
    (row,) = re.findall(rf"^\| {name} \| (.*) \|$", DOC.read_text(encoding="utf-8"), re.MULTILINE)
    shapes = {key: f"{array.dtype} ({', '.join(map(str, array.shape))})" for key, array in load_table(name).items()}
    for key, shape in shapes.items():
        if shapes.get(key.removeprefix("finer_")) == shape:
            assert f"{key.removeprefix('finer_')} {shape}" in row
        else:
            assert f"{key} being {shape.partition(' ')[2]}" in row


@pytest.mark.parametrize(
    "fact",
    [
        f"magic, `{header.MAGIC.hex(' ')}`",
        f"version {header.VERSION} (4 bits)",
        ", ".join(f"{number} {name}" for number, name in list(header.MODELS.items())[:6]),
        f"1 to {header.MAX_SIDE} pixels a side",
        f"1 to {header.MAX_MODEL} bytes",
        f"a varint, {sections.MAX_PAYLOAD} at most",
        f"At most {sections.MAX_SECTIONS} sections",
        f"up to {text.MAX_TEXT} bytes",
        f"| {text.MAX_TEXT} bytes; {text.MAX_UNITS} |",
        f"| {edges.MAX_SIDE}; {edges.MAX_HALVED_SIDE}; {edges.MAX_SET} |",
        f"| cells on a side of a grid of colours | {colors.MAX_SIDE} |",
        f"| people | {skeleton.MAX_PEOPLE} |",
        f"| pixels of a canvas with PLANES | {planes.MAX_PIXELS} |",
        f"| {planes.MAX_BYTES}; 1024 + pixels of the canvas / 8, rounded down |",
        f"which is no error | {planes.MAX_DECISIONS} |",
        f"planes below L + {transform.texture_plane(512, 512) - transform.count_levels(512, 512)} is dropped",
        "{} in the second split from the finest, {} in the third, {} in the fourth, {} in the fifth".format(
            *(transform.LUMA_WEIGHTS[level] for level in (2, 3, 4, 5))
        ),
        f"chroma: {transform.COARSE_CHROMA_WEIGHT} in the low band, and in the split {transform.COARSE_CHROMA_LEVEL}",
        f"long side has {decoding.PLANE_COLORS} cells",
        f"| {sections.MAX_SECTIONS}; {sections.MAX_PAYLOAD} |",
        f"| work of all sections of a stream | {decoding.MAX_WORK} |",
        f"{decoding.TEXT_WORK} for each unit of an arithmetic-coded text",
        f"{decoding.COLOR_WORK} for each cell of a grid of colours; {decoding.PERSON_WORK} for each person",
        f"`{text.ESCAPE:x}`: a Brotli stream",
        "Layers: " + ", ".join(f"{layer.value} {layer.name.lower()}" for layer in Layer),
    ],
)
def test_the_numbers_are_those_of_the_code(fact: str) -> None:
    assert fact in " ".join(DOC.read_text(encoding="utf-8").split())
