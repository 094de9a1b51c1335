"""Build the table `edges`: train the networks of the edge coder (`codec.coders.edges.model`)."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from codec.analysis.edges import edges_from_drawing
from codec.coders.edges.model import (
    FEATURES,
    FINER_FEATURES,
    ONE,
    REACH_ACROSS,
    REACH_COARSE,
    REACH_UP,
    SPARE,
    WEIGHT_ONE,
    empty_windows,
    grid_kind,
    list_coarse_features,
    list_features,
    summarize_row,
)
from codec.coders.edges.payload import halve
from codec.layers import EdgeMap
from codec.structure.contours import find_contours
from training.data.tiles import Tile, load_tile

#: Training grids, in cells on a side, and lengths of the shortest contours in them, in pixels.
SIDES = (40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 144, 160, 176, 192, 224, 256)
FINER_SIDES = (96, 112, 128, 160, 192, 224, 256)
SHORTEST = (4, 8, 8, 8, 12, 12, 16, 20, 30, 60)

#: Share of grids made like those of a user's own drawing, without pruning.
DRAWING_SHARE = 0.15

#: Share of grids that are coarse maps of nested ones, and the smallest grid that is halved again.
HALVED_SHARE = 0.4
HALVED_SIDE = 96

#: Units of the two hidden layers.
UNITS = (64, 32)

#: Bound of the second layer's weights, so that the sum over 64 clipped units of 1024 stays below 2**31.
SECOND_BOUND = 7.0

#: Logistic units in one nat.
_NAT = 256

_Samples = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def draw_maps(data: Path, tiles: list[Tile], maps: int, *, finer: bool, seed: int) -> Iterator[tuple[EdgeMap, bool]]:
    """Yield `maps` edge maps of random crops of each picture, each with whether it is halved."""
    random = np.random.default_rng(seed)
    cv2.setNumThreads(1)
    for tile in tiles:
        whole = np.asarray(load_tile(data, tile))
        for index in range(maps):
            contours, lines = find_contours(_cut(whole, random) if index else whole)
            halved = random.random() < HALVED_SHARE
            # A refining map has a fine grid. If it is refined itself, it is the half of a grid twice as fine.
            sides = [side for side in FINER_SIDES if side >= HALVED_SIDE * (1 + (finer and halved))]
            side = int(random.choice(sides if finer or halved else SIDES))
            if random.random() < DRAWING_SHARE:
                drawn = edges_from_drawing(lines, side, contours.canvas)
            else:
                drawn = contours.draw(side, int(random.choice(SHORTEST)))
            if halved:
                drawn = halve(drawn)
            while halved and not finer and max(drawn.grid.shape) >= HALVED_SIDE:
                drawn = halve(drawn)
            yield drawn, halved


def _cut(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    side = picture.shape[0]
    size = int(side * random.uniform(0.6, 1.0))
    top, left = random.integers(0, side - size + 1, 2)
    cut = picture[top : top + size, left : left + size]
    cut = cut[:, ::-1] if random.random() < 0.5 else cut
    cut = np.ascontiguousarray(cut)
    interpolation = cv2.INTER_LANCZOS4 if random.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (side, side), interpolation=interpolation), np.uint8)


def sample(edges: EdgeMap, cells: int, *, halved: bool, finer: bool, random: np.random.Generator) -> _Samples:
    """Return the features (packed to bits) and values of up to `cells` random cells that the coder codes."""
    rows, columns = edges.grid.shape
    padded = np.zeros((rows + REACH_UP, columns + 2 * REACH_ACROSS), np.uint8)
    padded[REACH_UP:, REACH_ACROSS:-REACH_ACROSS] = edges.grid
    windows, sums = empty_windows(rows, columns), np.zeros((rows + 1, columns + 1), np.int32)
    for row in range(rows):
        summarize_row(padded, windows, sums, row)
    coarse = halve(edges).grid
    around = np.pad(coarse.astype(np.uint8), REACH_COARSE)
    coded = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[:rows, :columns] if finer else np.ones_like(edges.grid)
    if finer:
        # Of four cells that are not all empty, the last one is known if the other three are empty.
        known = ~(edges.grid[:-1, :-1] | edges.grid[:-1, 1:] | edges.grid[1:, :-1])
        coded[1::2, 1::2] &= ~known[::2, ::2]
    places = np.argwhere(coded)
    places = places[random.permutation(len(places))[:cells]]
    features = np.zeros((len(places), FINER_FEATURES if finer else FEATURES), np.uint8)
    active = np.zeros(FINER_FEATURES + SPARE, np.int64)
    kind = grid_kind(rows, columns, halved=halved)
    for index, (row, column) in enumerate(places):
        before = padded[row + REACH_UP, column : column + REACH_ACROSS]
        behind = int(np.packbits(before[-8:])[0])
        count = list_features(windows, behind, sums, row, column, kind, active)
        if finer:
            count = list_coarse_features(around, row, column, active, count)
        features[index, active[:count]] = 1
    return np.packbits(features, axis=1), edges.grid[places[:, 0], places[:, 1]].astype(np.uint8)


class _Net(torch.nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(features, UNITS[0])
        self.second = torch.nn.Linear(UNITS[0], UNITS[1])
        self.third = torch.nn.Linear(UNITS[1], 1)
        torch.nn.init.normal_(self.first.weight, 0, 0.15)
        torch.nn.init.constant_(self.first.bias, 0.3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        hidden = self.first(features).clamp(0, 1)
        result: torch.Tensor = self.third(self.second(hidden).clamp(0, 1))[:, 0]
        return result


def train(kept: _Samples, held: _Samples, features: int, epochs: int, seed: int) -> dict[str, NDArray[np.int32]]:
    """Train one network; return its weights as integers."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    net = _Net(features)
    batch = 8192
    steps = epochs * (len(kept[1]) // batch)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps, pct_start=0.1)
    random = np.random.default_rng(seed)
    for epoch in range(epochs):
        order = random.permutation(len(kept[1]))[: len(kept[1]) // batch * batch]
        for chosen in order.reshape(-1, batch):
            loss = _cost(net, kept, chosen, features).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                net.second.weight.clamp_(-SECOND_BOUND, SECOND_BOUND)
        with torch.no_grad():
            parts = [
                _cost(net, held, chosen, features)
                for chosen in np.array_split(np.arange(len(held[1])), 1 + len(held[1]) // batch)
            ]
        print(f"epoch {epoch}: {float(torch.cat(parts).mean()):.5f} bits a cell", flush=True)
    return _to_integers(net)


def _cost(net: _Net, samples: _Samples, chosen: NDArray[np.int64], features: int) -> torch.Tensor:
    inputs = torch.from_numpy(np.unpackbits(samples[0][chosen], axis=1, count=features)).float()
    values = torch.from_numpy(samples[1][chosen]).float()
    cost = torch.nn.functional.binary_cross_entropy_with_logits(net(inputs), values, reduction="none")
    return cost / float(np.log(2))


def _to_integers(net: _Net) -> dict[str, NDArray[np.int32]]:
    def scaled(tensor: torch.Tensor, one: int) -> NDArray[np.int32]:
        return np.asarray(np.round(tensor.detach().double().numpy() * one), np.int32)

    return {
        "first": scaled(net.first.weight.T, ONE).astype(np.int16),
        "first_bias": scaled(net.first.bias, ONE),
        "second": scaled(net.second.weight, WEIGHT_ONE).astype(np.int16),
        "second_bias": scaled(net.second.bias, ONE),
        "third": scaled(net.third.weight[0], WEIGHT_ONE),
        "third_bias": scaled(net.third.bias[0], _NAT << 14),
    }


def build(
    data: Path, tiles: list[Tile], *, maps: int, cells: int, epochs: int, seed: int = 0
) -> dict[str, NDArray[np.int32]]:
    """Make the table `edges`: the networks for whole maps, and for refined ones with the prefix `finer_`."""
    table = {}
    for finer in (False, True):
        sets = []
        for held_out in (False, True):
            random = np.random.default_rng(seed)
            chosen = [tile for tile in tiles if tile.held_out_of_tables == held_out]
            drawn = draw_maps(data, chosen, maps, finer=finer, seed=seed + held_out)
            parts = [sample(edges, cells, halved=halved, finer=finer, random=random) for edges, halved in drawn]
            sets.append((np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])))
        print(f"{'finer' if finer else 'whole'} maps: {len(sets[0][1])} cells", flush=True)
        weights = train(sets[0], sets[1], FINER_FEATURES if finer else FEATURES, epochs, seed)
        table.update({("finer_" if finer else "") + name: array for name, array in weights.items()})
    return table
