"""A slow decoder of whole streams, written from docs/bitstream.md alone; it imports nothing from the codec.

If it and the codec disagree, either the document or the codec is wrong.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, getcontext
from functools import cache
from pathlib import Path
from typing import Any

import brotli
import numpy as np
from numpy.typing import NDArray

TABLES = Path(__file__).parents[2] / "codec" / "tables"

MODELS = ["", "mini", "sd15", "sd15-lcm", "sd14", "sd-turbo", "sdxl", "sdxl-turbo", "sd21"]

M32 = 0xFFFFFFFF

Weights = list[list[int]]


@dataclass
class Stream:
    """The content of a stream: header fields, and sections as (layer, coder, payload)."""

    canvas: tuple[int, int]
    model: str
    seed: int
    sections: list[tuple[int, int, bytes]]
    guess: str = ""


# Container


def varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[place] & 127) << shift
        place, shift = place + 1, shift + 7
        if data[place - 1] < 128:
            return value, place
        assert shift < 21


def read_stream(data: bytes) -> Stream:
    assert data[:2] == b"\xb1\x4c"
    assert data[2] >> 4 == 1
    if data[2] & 1:
        packed = data[3] << 8 | data[4]
        width, height, number, place = 64 * (packed >> 11) + 64, 64 * (packed >> 6 & 31) + 64, packed & 63, 5
    else:
        width, place = varint(data, 3)
        height, place = varint(data, place)
        number, place = varint(data, place)
    size = (0, 1, 2, 4)[data[2] >> 1 & 3]
    seed, place = int.from_bytes(data[place : place + size], "big"), place + size
    if number == 0:
        model, place = data[place + 1 : place + 1 + data[place]].decode(), place + 1 + data[place]
    else:
        model = MODELS[number] if number < len(MODELS) else f"#{number}"
    guess = ""
    if data[2] & 8:
        names = ["#0", "blip", "blip2", "mini", "measured"]
        source, steps = data[place] >> 4, data[place] & 15
        guess = names[source] if source < len(names) else f"#{source}"
        guess += f" {(steps - 1) / 14:.3f}" if steps else ""
        place += 1
    sections = []
    while data[place] != 0xFF:
        layer, coder = data[place] >> 5, data[place] & 31
        size, place = varint(data, place + 1)
        assert size <= 65536
        sections.append((layer, coder, data[place : place + size]))
        place += size
    assert data[place + 1 :] == crc(data[:place]).to_bytes(2, "big")
    assert len(sections) <= 32
    return Stream((width, height), model, seed, sections, guess)


def crc(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value


# Arithmetic coder


@cache
def squash(value: int) -> int:
    if value < 0:
        return 65536 - squash(-value)
    getcontext().prec = 50
    return min(65535, int((65536 / (1 + (-Decimal(value) / 256).exp())).to_integral_value()))


@cache
def stretch(place: int) -> int:
    if place < 2048:
        return -stretch(4095 - place)
    return next(value for value in range(-2815, 2816) if squash(value) >= 16 * place + 8)


def clipped(value: int) -> int:
    return max(-2815, min(2815, value))


class Bits:
    """The arithmetic decoder of one run."""

    def __init__(self, run: bytes) -> None:
        self._bytes = self._endless(run)
        self._low, self._high = 0, M32
        self._code = 0
        for _ in range(4):
            self._code = self._code << 8 | next(self._bytes)

    @staticmethod
    def _endless(run: bytes) -> Iterator[int]:
        yield from run
        while True:
            yield 0

    def bit(self, probability: int) -> int:
        split = self._low + ((self._high - self._low) * probability >> 16)
        bit = int(self._code <= split)
        if bit:
            self._high = split
        else:
            self._low = split + 1
        while self._low >> 24 == self._high >> 24:
            self._low = self._low << 8 & M32
            self._high = self._high << 8 & M32 | 255
            self._code = self._code << 8 & M32 | next(self._bytes)
        return bit


def mix(weights: list[int], inputs: list[int]) -> int:
    return clipped(sum(w * x for w, x in zip(weights, inputs, strict=True)) + 32768 >> 16)


def learn(weights: list[int], inputs: list[int], error: int, rate: int) -> None:
    weights[:] = [w + (x * error * rate + 131072 >> 18) for w, x in zip(weights, inputs, strict=True)]


@cache
def table(name: str) -> dict[str, NDArray[Any]]:
    with np.load(TABLES / f"{name}-1.npz", allow_pickle=False) as stored:
        return dict(stored)


# TEXT

STEP, FOLD, WORD, NODE, KEY = 0x2F0B4C47, 0x3D4D51CB, 0x2545F491, 0x1B873593, 0x4CF5AD43


def read_text(payload: bytes) -> str:
    if payload[:1] == b"\xff":
        return bytes(brotli.decompress(payload[1:])).decode()
    words = _Words(Bits(payload))
    text, marked = bytearray(), False
    while True:
        unit = words.next_unit()
        if unit == 0 and not marked:
            return text.decode()
        if marked or unit != 1:
            text.append(unit)
        marked = unit == 1 and not marked
        words.enter(unit)


class _Words:
    def __init__(self, bits: Bits) -> None:
        self._bits = bits
        self._units: list[int] = []
        self._w = [0, 0, 0]
        stored = table("text")
        self._checks, self._states = stored["checks"], stored["states"]
        self._values = stored["values"].tolist()
        self._by_match, self._by_node = stored["by_match"].tolist(), stored["by_node"].tolist()
        self._own: dict[tuple[int, int], tuple[int, int]] = {}
        assert self._bits.bit(65280) == 1

    def next_unit(self) -> int:
        hashes, gone, node = self._hashes(), set[int](), 1
        while node < 256:
            keys = [(h + node * NODE & M32) * KEY & M32 for h in hashes]
            keys = [k ^ k >> 15 for k in keys]
            states = [0 if c in gone else self._find(key) for c, key in enumerate(keys)]
            gone |= {c for c, state in enumerate(states) if not state}
            own = [self._own.get((c, keys[c] >> 9 & 0x3FFF), (32768, 0)) for c in range(1, 9)]
            inputs = [self._values[c][state] if state else 0 for c, state in enumerate(states)]
            inputs += [stretch(chance >> 4) if count else 0 for chance, count in own]
            inputs.append(77)
            best = max((c for c in range(6) if states[c]), default=0)
            seen = sum(1 << c - 6 for c in range(6, 9) if states[c])
            match, here = self._by_match[8 * best + seen], self._by_node[node]
            probability = squash(clipped(mix(match, inputs) + mix(here, inputs)))
            bit = self._bits.bit(probability)
            error = 65536 * bit - probability
            learn(match, inputs, error, 3)
            learn(here, inputs, error, 2)
            for c, (chance, count) in enumerate(own, 1):
                chance += (65535 * bit - chance) * (327680 // (5 * min(count, 20) + 8)) >> 16
                self._own[c, keys[c] >> 9 & 0x3FFF] = max(600, min(64936, chance)), min(count + 1, 255)
            node = 2 * node + bit
        self._units.append(node - 256)
        return node - 256

    def enter(self, unit: int) -> None:
        w = self._w
        if (chr(unit).isascii() and chr(unit).isalnum()) or unit >= 0x80:
            w[0] = (w[0] + (unit | 0x20) + 1) * WORD & M32
            return
        if w[0]:
            w[:] = [0, w[0], w[1]]
        if unit != 0x20:
            w[1] = w[1] * 3 + unit & M32

    def _hashes(self) -> list[int]:
        hashes, t = [], 0
        for order in range(7):
            if order:
                unit = self._units[-order] if order <= len(self._units) else 0
                t = (t + unit + 1) * STEP & M32
                t ^= t >> 15
            if order != 5:
                hashes.append((t + order) * FOLD & M32)
        w0, w1, w2 = self._w
        both = w0 + w1 * WORD
        return hashes + [h * FOLD & M32 for h in (both + 16, both + w2 * STEP + 17, w0 + 18)]

    def _find(self, key: int) -> int:
        place = key >> 12
        while self._states[place]:
            if self._checks[place] == key & 0xFFFF:
                return int(self._states[place])
            place = (place + 1) % len(self._states)
        return 0


# EDGES


def follow(canvas: tuple[int, int], long_side: int) -> tuple[int, int]:
    return max(1, round(canvas[0] * long_side / max(canvas))), max(1, round(canvas[1] * long_side / max(canvas)))


def read_edges(payload: bytes, canvas: tuple[int, int], base: NDArray[Any] | None) -> NDArray[np.int64]:
    explicit, finer, halved, size = payload[0] >> 7, payload[0] >> 6 & 1, payload[0] >> 5 & 1, payload[0] & 31
    used = 1
    if finer:
        assert base is not None
        columns, rows = 2 * base.shape[1] - (size & 1), 2 * base.shape[0] - (size >> 1)
    elif not explicit:
        columns, rows = follow(canvas, 8 * size + 8)
    elif size == 1:
        (columns, rows), used = follow(canvas, payload[1] + 1), 2
    else:
        columns, rows, used = payload[1] + 1, payload[2] + 1, 3
    return _Cells(Bits(payload[used:]), rows, columns, halved, base if finer else None).read()


class _Cells:
    def __init__(self, bits: Bits, rows: int, columns: int, halved: int, coarse: NDArray[Any] | None) -> None:
        self._bits, self._rows, self._columns, self._halved = bits, rows, columns, halved
        self._coarse = coarse
        prefix = "" if coarse is None else "finer_"
        names = ("first", "first_bias", "second", "second_bias", "third", "third_bias")
        self._network = [table("edges")[prefix + name].astype(np.int64) for name in names]
        self._grid = np.zeros((rows, columns), np.int64)

    def read(self) -> NDArray[np.int64]:
        small, large = [0] * 16, [0] * 1024
        for row in range(self._rows):
            for column in range(self._columns):
                if self._coarse is not None:
                    if not self._coarse[row // 2, column // 2]:
                        continue
                    others = self._grid[row // 2 * 2 : row + 1, column // 2 * 2 : column + 1].any()
                    if row % 2 and column % 2 and not others:
                        self._grid[row, column] = 1
                        continue
                near = [(0, -1), (-1, -1), (-1, 0), (-1, 1)]
                far = [*near, (0, -2), (-1, -2), (-1, 2), (-2, -1), (-2, 0), (-2, 1)]
                s = sum(self._at(row + down, column + across) << n for n, (down, across) in enumerate(near))
                w = sum(self._at(row + down, column + across) << n for n, (down, across) in enumerate(far))
                value = clipped(self._predict(row, column) + (small[s] + large[w] >> 8))
                bit = self._bits.bit(squash(value))
                error = 65536 * bit - squash(value)
                small[s] += error * 3 >> 6
                large[w] += error * 6 >> 6
                self._grid[row, column] = bit
        return self._grid

    def _at(self, row: int, column: int) -> int:
        inside = 0 <= row < self._rows and 0 <= column < self._columns
        return int(self._grid[row, column]) if inside else 0

    def _predict(self, row: int, column: int) -> int:
        first, first_bias, second, second_bias, third, third_bias = self._network
        features = np.array(self._features(row, column), np.int64)
        a = np.clip(first_bias + features @ first, 0, 1024)
        b = np.clip(second_bias + (second @ a >> 12), 0, 1024)
        return clipped(int(third_bias + third @ b) >> 14)

    def _features(self, row: int, column: int) -> list[int]:
        around = [(-up, across) for up in range(1, 8) for across in range(-8, 9) if up * up + across * across <= 58]
        listed = [self._at(row + down, column + across) for down, across in around]
        listed += [self._at(row, column - back) for back in range(1, 9)]
        near = self._grid[max(0, row - 16) : row, max(0, column - 16) : column + 17]
        listed += one_of(16, self._busy(near, row)) + one_of(16, self._busy(self._grid[:row], row))
        listed += [int(row == 0), int(column == 0), int(column == self._columns - 1)]
        longest = max(self._rows, self._columns)
        steps = (44, 52, 60, 68, 76, 84, 92, 104, 120, 136, 152, 176, 208, 240)
        listed += [*one_of(15, sum(longest >= step for step in steps)), self._halved]
        if self._coarse is not None:
            windows = np.zeros((4, 49), np.int64)
            padded = np.pad(self._coarse.astype(np.int64), 3)
            window = padded[row // 2 : row // 2 + 7, column // 2 : column // 2 + 7]
            windows[2 * (row % 2) + column % 2] = window.reshape(-1)
            listed += windows.reshape(-1).tolist()
        return listed

    @staticmethod
    def _busy(cells: NDArray[np.int64], row: int) -> int:
        return min(14, 48 * int(cells.sum()) // cells.size) if row else 15


def one_of(count: int, which: int) -> list[int]:
    return [int(place == which) for place in range(count)]


# COLORS


def read_colors(
    payload: bytes, canvas: tuple[int, int], base: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the levels, and the colours."""
    explicit, finer, step, cell = payload[0] >> 7, payload[0] >> 6 & 1, payload[0] >> 4 & 3, (payload[0] & 15) * 16 + 16
    columns, rows = (max(1, round(side / cell)) for side in canvas)
    used = 1
    if explicit:
        columns, rows, used = payload[1] + 1, payload[2] + 1, 3
    bits, prefix = Bits(payload[used:]), "finer_" if finer else ""
    names = ("first", "first_bias", "second", "second_bias", "third", "third_bias")
    network = [table("colors")[prefix + name].astype(np.int64) for name in names]
    levels = np.zeros((rows, columns, 3), np.int64)
    corrections = [[0] * 24 for _ in range(3)]
    for row in range(rows):
        for column in range(columns):
            for kind in range(3):
                guess, inputs = _expect(levels, base if finer else None, row, column, kind, step)
                first, first_bias, second, second_bias, third, third_bias = (part[kind] for part in network)
                a = np.clip(first_bias + np.array(inputs) @ first, 0, 1024)
                b = np.clip(second_bias + (second @ a >> 12), 0, 1024)
                values = np.clip(third_bias + third @ b >> 14, -2047, 2047).tolist()
                levels[row, column, kind] = guess + _difference(bits, values, corrections[kind])
    shades = table("shades")
    places = levels + shades[f"origin_{step}"]
    places = np.clip(places, 0, np.array(shades[f"colors_{step}"].shape[:3]) - 1)
    return levels, shades[f"colors_{step}"][places[..., 0], places[..., 1], places[..., 2]]


def _expect(
    levels: NDArray[np.int64], coarse: NDArray[np.int64] | None, row: int, column: int, own: int, step: int
) -> tuple[int, list[int]]:
    rows, columns = levels.shape[:2]
    inputs: list[int] = []
    guesses, parents = [], []
    for kind in (own, (own + 1) % 3, (own + 2) % 3):
        plane = levels[..., kind].tolist()
        north = plane[row - 1][column] if row else plane[row][column - 1] if column else 0
        west = plane[row][column - 1] if column else north
        corner = plane[row - 1][column - 1] if row and column else west if column else north
        east = plane[row - 1][min(column + 1, columns - 1)] if row else north
        west2 = plane[row][column - 2] if column > 1 else west
        north2 = plane[row - 2][column] if row > 1 else north
        guess = sorted((west, north, west + north - corner))[1]
        if coarse is not None:
            guess = int(coarse[row // 2, column // 2, kind])
        inputs += [value - guess for value in (west, north, corner, east, west2, north2)]
        guesses.append(guess)
        parents.append(guess - west)
    inputs += guesses
    by_kind = {(own + turn) % 3: guess for turn, guess in enumerate(guesses)}
    inputs += [int(levels[row, column, kind]) - by_kind[kind] if kind < own else 0 for kind in (0, 1)]
    inputs += [int(row == 0), int(column == 0), int(column == columns - 1), int(row == rows - 1)]
    longest = max(rows, columns)
    inputs += one_of(3, step) + one_of(4, sum(longest >= size for size in (6, 10, 20)))
    for down, across in ((-1, -2), (-1, 2), (-2, -1), (-2, 1), (-3, 0), (0, -3)):
        y, x = row + down, column + across
        inputs.append(int(levels[y, min(x, columns - 1), own]) - guesses[0] if y >= 0 and x >= 0 else 0)
    inputs += [8 * row // rows, abs(8 * column // columns - 4)]
    if coarse is not None:
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                y = min(max(row // 2 + down, 0), coarse.shape[0] - 1)
                x = min(max(column // 2 + across, 0), coarse.shape[1] - 1)
                inputs.append(int(coarse[y, x, own]) - guesses[0])
        inputs += [*parents[1:], *one_of(4, 2 * (row % 2) + column % 2)]
    return guesses[0], inputs


def _difference(bits: Bits, values: list[int], corrections: list[int]) -> int:
    def ask(node: int) -> int:
        probability = squash(clipped(values[node] + (corrections[node] >> 8)))
        bit = bits.bit(probability)
        corrections[node] += (65536 * bit - probability) * 3 >> 6
        return bit

    if not ask(0):
        return 0
    negative, size = ask(1), 1
    while size < 63 and ask(1 + min(size, 11) + 11 * negative):
        size += 1
    return -size if negative else size


# SKELETON

HANGS = {1: 1, 0: 1, 2: 1, 5: 1, 8: 2, 11: 5, 3: 2, 6: 5, 4: 3, 7: 6, 9: 8, 12: 11, 10: 9, 13: 12, 14: 0, 15: 0}
HANGS |= {16: 14, 17: 15}

Point = tuple[float, float] | None


def read_skeleton(payload: bytes, canvas: tuple[int, int]) -> list[list[Point]]:
    joints = _Joints(Bits(payload[1:]), plain=bool(payload[0] & 0x80))
    unit = max(canvas) / 128
    last = [math.ceil(side * 128 / max(canvas)) - 1 for side in canvas]
    people = []
    for _ in range(payload[0] & 63):
        found = joints.person()
        points = [found.get(point) for point in range(18)]
        people.append(
            [
                None if p is None else ((min(p[0], last[0]) + 0.5) * unit, (min(p[1], last[1]) + 0.5) * unit)
                for p in points
            ]
        )
    return people


class _Joints:
    def __init__(self, bits: Bits, *, plain: bool) -> None:
        self._bits, self._plain = bits, plain
        self._chances: dict[tuple[object, ...], int] = {}

    def person(self) -> dict[int, tuple[int, int]]:
        found: dict[int, tuple[int, int]] = {}
        for point, on in HANGS.items():
            if not self._ask(60000, "seen", on in found or point == 1):
                continue
            kind = 0 if point in (0, 2, 5) else 1 if point >= 14 else 2 if point in (8, 11) else 3
            if self._plain or on not in found:
                found[point] = (self._whole(), self._whole())
            else:
                found[point] = (self._step(found[on][0], kind, 0), self._step(found[on][1], kind, 1))
        return found

    def _ask(self, start: int, *context: object) -> int:
        chance = self._chances.get(context, start)
        bit = self._bits.bit(chance)
        self._chances[context] = chance + (65535 * bit - chance >> 3)
        return bit

    def _whole(self) -> int:
        value = 0
        for _ in range(7):
            value = 2 * value + self._bits.bit(32768)
        return value

    def _step(self, base: int, kind: int, axis: int) -> int:
        length = 0
        while length < 7 and self._ask(45000, "length", kind, axis, length):
            length += 1
        if not length:
            return base
        size = 1
        for place in range(length - 1):
            size = 2 * size + (self._bits.bit(32768) if place else self._ask(26000, "top", kind, axis, length))
        return max(0, min(127, base - size if self._ask(32768, "negative", kind, axis) else base + size))
