"""Hostile streams and payloads: valid ones with changes, random ones, and the slowest known ones."""

import binascii
from functools import cache

import numpy as np

from codec.coders.colors.payload import decode_colors, encode_colors
from codec.coders.edges.payload import encode_edges, halve
from codec.coders.skeleton import encode_skeleton
from codec.coders.text.payload import encode_text
from codec.container.bitstream import Bitstream, Coder, Section
from codec.container.header import Header
from codec.container.sections import LAYER_OF, MAX_PAYLOAD
from codec.layers import ColorMap, EdgeMap, Semantic, Size, Skeleton
from tests.codec.coders.test_skeleton import STANDING
from tests.fuzz.choices import Choices
from tests.support.pictures import draw_edges

CANVAS: Size = (512, 512)

#: Canvases for decoding payloads.
CANVASES: tuple[Size, ...] = (CANVAS, (512, 320), (64, 64), (1, 1), (7, 1000), (4096, 4096), (8192, 2048), (2048, 8192))

#: One payload in this many is among the slowest known ones.
HEAVY_ONE_IN = 150

_END_SIZE = 3


@cache
def good_payloads(coder: Coder) -> tuple[bytes, ...]:
    """Return valid payloads of a coder."""
    match coder:
        case Coder.TEXT:
            texts = ("a red fox in snow, oil painting", "", "雪の中の狐 🦊", "\0\1" * 9, "x" * 5000)
            return tuple(encode_text(Semantic(text)) for text in texts)
        case Coder.EDGES:
            edges = draw_edges(64)
            half = halve(edges)
            return (
                encode_edges(edges),
                encode_edges(half, halved=True),
                encode_edges(edges, half),
                encode_edges(EdgeMap(edges.grid[:37, :21].copy(), CANVAS)),
            )
        case Coder.COLORS:
            noise = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
            fine, coarse = ColorMap(noise, CANVAS), ColorMap(noise[::2, ::2].copy(), CANVAS)
            first = encode_colors(coarse)
            return first, encode_colors(fine, base=decode_colors(first, CANVAS)), encode_colors(fine, 2)
        case Coder.SKELETON:
            return tuple(encode_skeleton(Skeleton((STANDING,) * count, CANVAS)) for count in (0, 1, 3))


@cache
def heavy_payloads(coder: Coder) -> tuple[bytes, ...]:
    """Return the payloads with the longest known decoding times."""
    random = np.random.default_rng(2)
    match coder:
        case Coder.TEXT:
            words = (
                "a red fox",
                "in snow,",
                "oil painting",
                "at dawn",
                "highly detailed,",
                "on a hill",
                "old",
                "light",
            )
            prompt = " ".join(words[index] for index in random.integers(0, len(words), 380))
            return encode_text(Semantic(prompt)), b"\x40" + random.bytes(60000)
        case Coder.EDGES:
            grids = [random.random((256, 256)) < share for share in (0.05, 0.3, 0.49)]
            maps = [EdgeMap(grid, CANVAS) for grid in (*grids, grids[1][:128, :128])]
            # Zero bytes decode to a map in which every cell is set.
            return (
                *map(encode_edges, maps),
                encode_edges(maps[-1], halved=True),
                b"\x1f" + bytes(40),
                b"\x2f" + bytes(40),
            )
        case Coder.COLORS:
            noise = random.integers(0, 256, (64, 64, 3)).astype(np.uint8)
            return encode_colors(ColorMap(noise, CANVAS)), bytes([0x90, 63, 63]) + random.bytes(9000)
        case Coder.SKELETON:
            return b"\x3f" + random.bytes(9000), b"\xbf" + random.bytes(9000)


def payload(choices: Choices, coder: Coder) -> bytes:
    """Choose a payload of a coder: heavy, random, or valid with or without changes."""
    # Not 0: a script that is used up yields only zeros.
    if choices.below(HEAVY_ONE_IN) == 1:
        heavy = choices.pick(heavy_payloads(coder))
        return changed(choices, heavy) if choices.below(2) else heavy
    if choices.one_in(4):
        return choices.data(choices.below(1 + choices.pick((4, 40, 400))))
    return changed(choices, choices.pick(good_payloads(coder)))


def changed(choices: Choices, data: bytes) -> bytes:
    """Return the bytes with up to three random changes."""
    for _ in range(choices.below(4)):
        place = choices.below(len(data) + 1)
        match choices.below(6):
            case 0:
                data = data[:place]
            case 1:
                data = data[:place] + choices.data(1 + choices.below(8)) + data[place:]
            case 2:
                data = data[:place] + data[place + 1 + choices.below(8) :]
            case 3:
                data = data[:place] + data[max(0, place - choices.below(40)) :]
            case _ if data:
                copy = bytearray(data)
                copy[place % len(data)] ^= 1 << choices.below(8) if choices.below(2) else choices.below(256)
                data = bytes(copy)
    return data[:MAX_PAYLOAD]


def stream(choices: Choices) -> bytes:
    """Choose a stream of known and unknown sections, often with changes and often with a valid end."""
    width, height = choices.pick(CANVASES)
    header = Header(width, height, choices.below(1 << 32), choices.pick(("mini", "sd15", "#40", "a model")))
    sections = [_section(choices) for _ in range(choices.below(6) if choices.below(20) else choices.below(33))]
    data = Bitstream(header, tuple(sections)).to_bytes()
    if choices.below(2):
        data = changed(choices, data)
    # Otherwise nearly every changed stream fails its check.
    return sealed(data[:-_END_SIZE]) if choices.below(4) else data


def sealed(body: bytes) -> bytes:
    """Return a body with its valid end."""
    return body + b"\xff" + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def _section(choices: Choices) -> Section:
    if choices.one_in(12):
        return Section(choices.below(7), choices.below(32), choices.data(choices.below(30)))
    coder = choices.pick(tuple(Coder))
    return Section(LAYER_OF[coder], coder, payload(choices, coder))
