"""The codec and the reference decoder, written from docs/bitstream.md alone, decode the same."""

import ast
import random
from pathlib import Path

import numpy as np
import pytest

from codec.coders.colors.payload import decode_colors, encode_colors
from codec.coders.edges.payload import encode_edges, halve
from codec.coders.entropy import logistic_tables
from codec.coders.skeleton import encode_skeleton
from codec.coders.text.payload import encode_text
from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.layers import ColorMap, EdgeMap, Layer, Semantic, Skeleton
from tests.codec.coders.test_skeleton import STANDING
from tests.reference import decoder as reference_decoder
from tests.support.golden import FOLDER

CANVAS = (512, 320)


def test_the_reference_decoder_does_not_import_the_codec() -> None:
    tree = ast.parse(Path(reference_decoder.__file__).read_text(encoding="utf-8"))
    names = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not [name for name in names if str(name).split(".")[0] in ("codec", "layercast_common.errors", "tests")]


def test_the_golden_stream_and_its_layers() -> None:
    data = (FOLDER / "house.lcast").read_bytes()
    ours = Bitstream.from_bytes(data)
    theirs = reference_decoder.read_stream(data)
    assert theirs.canvas == ours.header.canvas
    assert (theirs.seed, theirs.model) == (ours.header.seed, ours.header.model)
    assert theirs.sections == [(s.layer, s.coder, s.payload) for s in ours.sections]
    priors = ours.decode()
    payloads = {coder: payload for _, coder, payload in theirs.sections}
    assert priors.semantic == Semantic(reference_decoder.read_text(payloads[Coder.TEXT]))
    assert priors.structure == EdgeMap(
        reference_decoder.read_edges(payloads[Coder.EDGES], theirs.canvas, None) > 0, theirs.canvas
    )
    assert priors.texture == ColorMap(
        reference_decoder.read_colors(payloads[Coder.COLORS], theirs.canvas, None)[1], theirs.canvas
    )
    people = reference_decoder.read_skeleton(payloads[Coder.SKELETON], theirs.canvas)
    assert priors.skeleton == Skeleton(tuple(map(tuple, people)), theirs.canvas)


@pytest.mark.parametrize(
    "header",
    [
        Header(512, 512),
        Header(64, 2048, 255, "sd15"),
        Header(500, 300, 65536, "#40"),
        Header(8192, 2048, 2**32 - 1, "someone/a model"),
    ],
)
def test_headers_and_sections(header: Header) -> None:
    sections = (Section(Layer.DETAIL, 9, b"later"), Section(5, 30, bytes(70000 // 2)), Section(Layer.SEMANTIC, 0, b""))
    read = reference_decoder.read_stream(Bitstream(header, sections).to_bytes())
    assert (read.canvas, read.seed, read.model) == (header.canvas, header.seed, header.model)
    assert read.sections == [(s.layer, s.coder, s.payload) for s in sections]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A red fox (8 k), oil painting; trending",
        "雪の中の狐 🦊, ок",
        "\0\1 \1\0",
        "x" * 5000,
        "one two one two one two",
    ],
)
def test_texts(text: str) -> None:
    assert reference_decoder.read_text(encode_text(Semantic(text))) == text


def test_logistic_tables() -> None:
    squash, stretch = logistic_tables()
    for value in random.Random(0).sample(range(-2815, 2816), 300):
        assert reference_decoder.squash(value) == squash[value + 2815]
    for place in random.Random(1).sample(range(4096), 40):
        assert reference_decoder.stretch(place) == stretch[place]


@pytest.mark.parametrize(("size", "canvas"), [((23, 31), CANVAS), ((20, 32), CANVAS), ((45, 45), (300, 300))])
def test_nested_lines(size: tuple[int, int], canvas: tuple[int, int]) -> None:
    grid = np.random.default_rng(3).random(size) < 0.2
    edges = EdgeMap(grid, canvas)
    half = halve(edges)
    coarse = reference_decoder.read_edges(encode_edges(half, halved=True), canvas, None)
    assert np.array_equal(coarse > 0, half.grid)
    assert np.array_equal(reference_decoder.read_edges(encode_edges(edges, half), canvas, coarse) > 0, grid)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_nested_colours(step: int) -> None:
    colors = np.random.default_rng(4).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    first = encode_colors(ColorMap(colors[::2, ::2].copy(), CANVAS), step)
    base = decode_colors(first, CANVAS)
    levels, seen = reference_decoder.read_colors(first, CANVAS, None)
    assert np.array_equal(levels, base.levels)
    assert np.array_equal(seen, base.to_map().colors)
    finer = encode_colors(ColorMap(colors, CANVAS), step, base)
    assert np.array_equal(
        reference_decoder.read_colors(finer, CANVAS, levels)[0], decode_colors(finer, CANVAS, base=base).levels
    )


@pytest.mark.parametrize("seed", range(4))
def test_people(seed: int) -> None:
    choose = random.Random(seed)
    people = tuple(
        tuple(
            None if choose.random() < 0.2 * (seed % 3) else (x * choose.random() * 2, y * 0.7 * choose.random())
            for x, y in STANDING
        )
        for _ in range(seed)
    )
    payload = encode_skeleton(Skeleton(people, CANVAS))
    decoded = Bitstream(Header(*CANVAS), (Section(Layer.STRUCTURE, Coder.SKELETON, payload),)).decode().structure
    assert decoded == Skeleton(tuple(map(tuple, reference_decoder.read_skeleton(payload, CANVAS))), CANVAS)
