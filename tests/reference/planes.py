"""A slow decoder of PLANES, written from docs/bitstream.md alone; it imports nothing from the codec."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.reference.decoder import M32, clipped, squash, table

MOST_DECISIONS = 160000

CELLS, LEAVES, BLOCKS, SLOT = range(4)

NETWORKS = {"ZERO": "zero", "SIGN": "sign", "MORE": "more", "LEAF": "node", "BLOCK": "node", "SLOT": "node"}

CROSS = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)]
RING = [(0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
WIDE = [*RING, (0, -2), (0, 2), (-2, 0), (2, 0)]
FOUR = [(0, 0), (0, 1), (1, 0), (1, 1)]
PLACES = {
    "ONE": [(0, 0)],
    "CROSS": CROSS,
    "RING": RING,
    "SQUARE": [*RING, (0, 0)],
    "WIDE": WIDE,
    "WIDEST": [*WIDE, (-2, -1), (-2, 1), (2, -1), (2, 1), (-1, -2), (1, -2), (-1, 2), (1, 2)],
    "FOUR": FOUR,
    "AROUND": [(down, across) for down in range(-1, 3) for across in range(-1, 3)],
    "BORDER": [
        *[(-1, place) for place in range(4)],
        *[(place, -1) for place in range(4)],
        *[(4, place) for place in range(4)],
        *[(place, 4) for place in range(4)],
    ],
}

#: As in the document's table.
VIEWS = {
    "ZERO": "own cells 0 WIDEST; below cells -1 SQUARE; above cells 1 FOUR; next cells 0 CROSS; last cells 0 CROSS; "
    "luma cells 0 SQUARE; blue cells 0 SQUARE; red cells 0 ONE",
    "SIGN": "own cells 0 WIDE; below cells -1 SQUARE; next cells 0 SQUARE; last cells 0 SQUARE; luma cells 0 SQUARE; "
    "blue cells 0 SQUARE",
    "MORE": "own cells 0 RING; below cells -1 CROSS; above cells 1 FOUR; next cells 0 ONE; last cells 0 ONE; "
    "luma cells 0 CROSS; blue cells 0 ONE",
    "LEAF": "own leaves 0 RING; own cells 2 BORDER; below cells 1 AROUND; above leaves 1 FOUR; next leaves 0 CROSS; "
    "last leaves 0 CROSS; luma leaves 0 CROSS; blue leaves 0 CROSS",
    "BLOCK": "own blocks 0 RING; below leaves 1 FOUR; above blocks 1 FOUR; next blocks 0 CROSS; last blocks 0 CROSS; "
    "luma blocks 0 CROSS; blue blocks 0 CROSS",
    "SLOT": "below slot 0 ONE; above slot 0 ONE; next slot 0 ONE; last slot 0 ONE; luma slot 0 ONE; blue slot 0 ONE",
}


class EndOfCodeError(Exception):
    """The code has ended."""


class Slot:
    """A band of a channel: the grids of v, and the last planes, of its cells, leaves, blocks and of itself."""

    def __init__(self, level: int, orientation: int, channel: int, area: tuple[int, int, int, int], top: int) -> None:
        self.level, self.orientation, self.channel = level, orientation, channel
        self.top, self.left, rows, columns = area
        sizes = [(rows, columns), (-(-rows // 4), -(-columns // 4)), (-(-rows // 16), -(-columns // 16)), (1, 1)]
        self.v = [np.zeros(size, np.int64) for size in sizes]
        self.last = [np.full(size, top + 1, np.int64) for size in sizes]

    def at(self, grid: int, row: int, column: int) -> int:
        values = self.v[grid]
        inside = 0 <= row < values.shape[0] and 0 <= column < values.shape[1]
        return int(values[row, column]) if inside else 0


class Sections:
    """The arithmetic decoder of consecutive sections."""

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self._payloads = list(payloads)
        self._made = 0
        self._begin()

    def _begin(self) -> None:
        if not self._payloads:
            raise EndOfCodeError
        payload = self._payloads.pop(0)
        self._left = len(payload)
        self._bytes = iter(payload)
        self._low, self._high, self._code = 0, M32, 0
        for _ in range(4):
            self._code = self._code << 8 | next(self._bytes, 0)

    def bit(self, probability: int) -> int:
        self._made += 1
        if self._made > MOST_DECISIONS:
            raise EndOfCodeError
        while not self._has_room(probability):
            self._begin()
        split = self._low + ((self._high - self._low) * probability >> 16)
        bit = int(self._code <= split)
        self._low, self._high = (self._low, split) if bit else (split + 1, self._high)
        while self._low >> 24 == self._high >> 24:
            self._low = self._low << 8 & M32
            self._high = self._high << 8 & M32 | 255
            self._code = self._code << 8 & M32 | next(self._bytes, 0)
            self._left -= 1
        return bit

    def _has_room(self, probability: int) -> bool:
        if self._left >= 4:
            return True
        split = self._low + ((self._high - self._low) * probability >> 16)
        unit = 1 << 8 * (4 - self._left)
        return all(-(-low // unit) * unit <= high for low, high in ((self._low, split), (split + 1, self._high)))


class Planes:
    """The decoder of the coefficients of a canvas of (width, height) pixels."""

    def __init__(self, payloads: Sequence[bytes], canvas: tuple[int, int]) -> None:
        self.shape = (3, canvas[1], canvas[0])
        sizes = [(canvas[1], canvas[0])]
        while max(sizes[-1]) >= 8:
            sizes.append(tuple(-(-side // 2) for side in sizes[-1]))  # type: ignore[arg-type]
        self.levels = len(sizes) - 1
        self.first_plane = self.levels + 7
        self.slots = list(self._slots(sizes))
        self._by_name = {(slot.level, slot.orientation, slot.channel): slot for slot in self.slots}
        self._views = {kind: list(self._parse(kind)) for kind in VIEWS}
        self._level: dict[tuple[str, int], int] = {}
        self._value: dict[tuple[str, int], int] = {}
        self._weights = {name: self._network(name) for name in set(NETWORKS.values())}
        try:
            self._sections = Sections(payloads)
            for plane in range(self.first_plane, -1, -1):
                self._decode_plane(plane)
        except EndOfCodeError:
            pass

    def coefficients(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return sign * q, and the last planes: (3, H, W) each."""
        signed, last = np.zeros(self.shape, np.int64), np.full(self.shape, self.first_plane + 1, np.int64)
        for slot in self.slots:
            for (row, column), v in np.ndenumerate(slot.v[CELLS]):
                plane = min(int(slot.last[grid][row // by, column // by]) for grid, by in enumerate((1, 4, 16)))
                plane = min(plane, int(slot.last[SLOT][0, 0]))
                place = slot.channel, slot.top + row, slot.left + column
                last[place] = plane
                signed[place] = (1 if v > 0 else -1) * (abs(int(v)) >> plane + 1)
        return signed, last

    def _slots(self, sizes: list[tuple[int, int]]) -> Iterator[Slot]:
        for level in range(self.levels + 1):
            rows, columns = sizes[self.levels - max(level - 1, 0)]
            tall, wide = sizes[self.levels - level]
            areas = {0: (0, 0, rows, columns)}
            if level:
                areas = {
                    1: (0, columns, rows, wide - columns),
                    2: (rows, 0, tall - rows, columns),
                    3: (rows, columns, tall - rows, wide - columns),
                }
            for orientation, area in areas.items():
                for channel in range(3):
                    if area[2] and area[3] and not (channel and level and level == self.levels):
                        yield Slot(level, orientation, channel, area, self.first_plane)

    @staticmethod
    def _parse(kind: str) -> Iterator[tuple[str, int, int, list[tuple[int, int]]]]:
        for view in VIEWS[kind].split("; "):
            slot, grid, scale, places = re.findall(r"\S+", view)
            yield slot, ("cells", "leaves", "blocks", "slot").index(grid), int(scale), PLACES[places]

    def _count(self, kind: str) -> int:
        """Return the first feature after the views of a kind."""
        start = {"BLOCK": "LEAF", "SLOT": "BLOCK"}.get(kind)
        return (self._count(start) if start else 304) + 6 * sum(len(places) for *_, places in self._views[kind])

    @staticmethod
    def _network(name: str) -> dict[str, NDArray[Any]]:
        arrays = table("planes")
        return {key.removeprefix(f"{name}_"): arrays[key].astype(np.int64) for key in arrays if key.startswith(name)}

    def _other(self, slot: Slot, name: str) -> Slot | None:
        level, orientation, channel = slot.level, slot.orientation, slot.channel
        if name in ("next", "last"):
            if not orientation:
                return None
            orientation = [other for other in (1, 2, 3) if other != orientation][("next", "last").index(name)]
        elif name in ("luma", "blue", "red"):
            channel = ("luma", "blue", "red").index(name)
            if channel == slot.channel:
                return None
        else:
            level += {"own": 0, "below": -1, "above": 1}[name]
        return self._by_name.get((level, orientation, channel))

    def _decide(self, kind: str, slot: Slot, grid: int, row: int, column: int, plane: int, own: list[int]) -> int:
        rows, columns = slot.v[grid].shape
        features = [
            (4 * min(slot.level, 9) + slot.orientation) * 3 + slot.channel,
            120 + min(max(plane + 7 - self.levels, 0), 23) + (24 if slot.channel else 0),
            168 + 16 * min(slot.level, 5) + 4 * (4 * row // rows) + 4 * column // columns,
            *(264 + each for each in own),
        ]
        first = self._count(kind) - 6 * sum(len(places) for *_, places in self._views[kind])
        for name, seen, scale, places in self._views[kind]:
            other = self._other(slot, name)
            down, across = (row << scale, column << scale) if scale >= 0 else (row >> 1, column >> 1)
            for place, (y, x) in enumerate(places):
                found = self._class(other.at(seen, down + y, across + x), plane, kind) if other else 0
                if found:
                    features.append(first + 6 * place + found - 1)
            first += 6 * len(places)
        network = NETWORKS[kind]
        weights = self._weights[network]
        a = np.clip(weights["first_bias"] + weights["first"][features].sum(axis=0), 0, 1024)
        b = np.clip(weights["second_bias"] + (a @ weights["second"] >> 12), 0, 1024)
        v = clipped(int(weights["third_bias"] + weights["third"] @ b) >> 14)
        level, value = (network, min(slot.level, 9)), (network, v + 2815 >> 7)
        p = squash(clipped(v + (self._level.get(level, 0) + self._value.get(value, 0) >> 8)))
        bit = self._sections.bit(p)
        for corrections, key in ((self._level, level), (self._value, value)):
            corrections[key] = corrections.get(key, 0) + ((65536 * bit - p) >> 6)
        return bit

    @staticmethod
    def _class(v: int, plane: int, kind: str) -> int:
        h = min(abs(v) >> plane, 31)
        if kind == "SIGN":
            found = sum(h >= least for least in (3, 6, 12))
            return found + 3 if found and v < 0 else found
        return sum(h >= least for least in (3, 4, 6, 8, 12, 24))

    def _decode_plane(self, plane: int) -> None:
        for slot in self.slots:
            for block in np.argwhere(slot.v[BLOCKS]).tolist():
                for leaf in self._leaves(slot, block):
                    if slot.v[LEAVES][leaf]:
                        self._decode_leaf(slot, leaf, plane, step=1)
        for slot in self.slots:
            had = bool(slot.v[SLOT][0, 0])
            if not had and not self._decide("SLOT", slot, SLOT, 0, 0, plane, [4]):
                slot.last[SLOT][0, 0] = plane
                continue
            self._decode_empty_blocks(slot, plane, had=had)

    def _decode_empty_blocks(self, slot: Slot, plane: int, *, had: bool) -> None:
        found, blocks = had, [(row, column) for row, column in np.ndindex(*slot.v[BLOCKS].shape)]
        for block in blocks:
            has = bool(slot.v[BLOCKS][block])
            asked = not has and (found or block != blocks[-1])
            if asked and not self._decide("BLOCK", slot, BLOCKS, *block, plane, [2 if had else 3]):
                slot.last[BLOCKS][block] = plane
                continue
            found = True
            self._decode_empty_leaves(slot, block, plane, had=has)

    def _decode_empty_leaves(self, slot: Slot, block: tuple[int, int], plane: int, *, had: bool) -> None:
        found, leaves = had, self._leaves(slot, block)
        for leaf in leaves:
            if slot.v[LEAVES][leaf]:
                continue
            asked = found or leaf != leaves[-1]
            if asked and not self._decide("LEAF", slot, LEAVES, *leaf, plane, [0 if had else 1]):
                slot.last[LEAVES][leaf] = plane
                continue
            found = True
            self._decode_leaf(slot, leaf, plane, step=2)

    @staticmethod
    def _leaves(slot: Slot, block: Sequence[int]) -> list[tuple[int, int]]:
        rows, columns = slot.v[LEAVES].shape
        return [
            (row, column)
            for row in range(4 * block[0], min(4 * block[0] + 4, rows))
            for column in range(4 * block[1], min(4 * block[1] + 4, columns))
        ]

    def _decode_leaf(self, slot: Slot, leaf: tuple[int, int], plane: int, *, step: int) -> None:
        cells, (rows, columns) = slot.v[CELLS], slot.v[CELLS].shape
        places = [
            (row, column)
            for row in range(4 * leaf[0], min(4 * leaf[0] + 4, rows))
            for column in range(4 * leaf[1], min(4 * leaf[1] + 4, columns))
        ]
        significant = sum(bool(cells[place]) for place in places)
        for place in places:
            row, column = place
            before = int(cells[place])
            if before:
                q = abs(before) >> plane + 2
                bit = self._decide("MORE", slot, CELLS, row, column, plane, [min(q, 7)])
                v = 2 * (2 * q + bit) + 1 << plane
                cells[place] = v if before > 0 else -v
            else:
                own = [4 * (row & 3) + (column & 3) + 16 * (step - 1), 32 + min(significant, 5)]
                asked = significant or place != places[-1]
                if not asked or self._decide("ZERO", slot, CELLS, row, column, plane, own):
                    negative = self._decide("SIGN", slot, CELLS, row, column, plane, [2 * (row & 1) + (column & 1)])
                    cells[place] = (-3 if negative else 3) << plane
                    significant += 1
            slot.last[CELLS][place] = plane
        largest = max(abs(int(cells[place])) for place in places)
        slot.v[LEAVES][leaf] = largest
        block = leaf[0] // 4, leaf[1] // 4
        slot.v[BLOCKS][block] = max(slot.v[BLOCKS][block], largest)
        slot.v[SLOT][0, 0] = max(slot.v[SLOT][0, 0], largest)
