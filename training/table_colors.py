"""Tabulates the colours of levels and trains the networks of the colour coder (`codec.coders.shades`)."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from codec.coders.shades import (
    FARTHEST,
    FINER_INPUTS,
    INPUTS,
    NODES,
    ONE,
    REACH,
    STEPS,
    WEIGHT_ONE,
    gather_inputs,
)
from codec.entropy import compiled
from codec.perception import bend, unbend
from training.data import Tile, load_tile

#: Grids that are trained for, and how often each.
GRIDS = ((8, 8), (8, 8), (8, 8), (8, 8), (4, 4), (4, 4), (12, 8), (8, 12), (16, 16))
FINER_GRIDS = ((8, 8), (8, 8), (8, 8), (12, 8), (8, 12), (16, 16))

#: Units of the two hidden stages.
UNITS = (48, 32)

_Samples = tuple[NDArray[np.int16], NDArray[np.int16]]
_Maps = list[tuple[int, NDArray[np.int32], NDArray[np.int32]]]


def tabulate(step: int) -> dict[str, NDArray[np.generic]]:
    """Which RGB each triple of levels stands for."""
    size = STEPS[step]
    corners = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij"), axis=-1).astype(np.uint8)
    levels = np.round(bend(corners) / size).astype(int).reshape(-1, 3)
    low, high = levels.min(axis=0), levels.max(axis=0)
    axes = [np.arange(first, last + 1) for first, last in zip(low, high, strict=True)]
    bent = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) * size
    return {f"colors_{step}": unbend(bent), f"origin_{step}": (-low).astype(np.int16)}


def draw_maps(data: Path, tiles: list[Tile], maps: int, *, finer: bool, seed: int) -> _Maps:
    """Step, levels and coarser levels of `maps` colour maps of random cuts of each picture."""
    random = np.random.default_rng(seed)
    cv2.setNumThreads(1)
    result = []
    for tile in tiles:
        whole = np.asarray(load_tile(data, tile))
        for index in range(maps):
            columns, rows = (FINER_GRIDS if finer else GRIDS)[random.integers(len(FINER_GRIDS if finer else GRIDS))]
            picture = _cut(whole, random) if index else whole
            step = int(random.integers(len(STEPS)))
            levels = _levels(picture, (columns, rows), step)
            coarse = _levels(picture, ((columns + 1) // 2, (rows + 1) // 2), step)
            result.append((step, levels, coarse))
    return result


def _cut(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    side = picture.shape[0]
    size = int(side * random.uniform(0.7, 1.0))
    top, left = random.integers(0, side - size + 1, 2)
    cut = picture[top : top + size, left : left + size]
    return np.ascontiguousarray(cut[:, ::-1] if random.random() < 0.5 else cut)


def _levels(picture: NDArray[np.uint8], size: tuple[int, int], step: int) -> NDArray[np.int32]:
    cells = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.round(bend(cells) / STEPS[step]).astype(np.int32)


@compiled
def _sample(
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    step: int,
    plane: int,
    inputs: NDArray[np.int16],
    differences: NDArray[np.int16],
) -> None:
    row_inputs = np.zeros(inputs.shape[1], np.int32)
    for row in range(levels.shape[0]):
        for column in range(levels.shape[1]):
            guess = gather_inputs(levels, coarse, finer, row, column, plane, step, row_inputs)
            index = row * levels.shape[1] + column
            inputs[index] = row_inputs
            differences[index] = levels[row, column, plane] - guess


def _collect(maps: _Maps, plane: int, *, finer: bool) -> _Samples:
    inputs, differences = [], []
    for step, levels, coarse in maps:
        cells = levels.shape[0] * levels.shape[1]
        # The longer row has room for what only refined maps have; whole ones never use it.
        filled, found = np.zeros((cells, FINER_INPUTS), np.int16), np.zeros(cells, np.int16)
        _sample(levels, coarse, finer, step, plane, filled, found)
        inputs.append(filled[:, : FINER_INPUTS if finer else INPUTS])
        differences.append(found)
    return np.concatenate(inputs), np.concatenate(differences)


class _Net(torch.nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(inputs, UNITS[0])
        self.second = torch.nn.Linear(UNITS[0], UNITS[1])
        self.third = torch.nn.Linear(UNITS[1], NODES)
        torch.nn.init.normal_(self.first.weight, 0, 0.05)
        torch.nn.init.constant_(self.first.bias, 0.4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.first(inputs).clamp(0, 1)
        result: torch.Tensor = self.third(self.second(hidden).clamp(0, 1))
        return result


def _cost(net: _Net, inputs: NDArray[np.int16], differences: NDArray[np.int16]) -> torch.Tensor:
    """Bits of each difference: the sum over the nodes that it passes."""
    values = net(torch.from_numpy(inputs).float())
    target = torch.from_numpy(np.clip(differences, -FARTHEST, FARTHEST)).long()
    size, negative = target.abs(), target < 0
    zeros = torch.zeros_like(values[:, 0])
    soft = torch.nn.functional.softplus
    cost = soft(torch.where(size > 0, -values[:, 0], values[:, 0]))
    cost = cost + torch.where(size > 0, soft(torch.where(negative, -values[:, 1], values[:, 1])), zeros)
    for more in range(1, REACH + 1):
        value = torch.where(negative, values[:, 1 + REACH + more], values[:, 1 + more])
        cost = cost + torch.where(size >= more, soft(torch.where(size > more, -value, value)), zeros)
    return cost / float(np.log(2))


def train(kept: _Samples, held: _Samples, epochs: int, seed: int) -> dict[str, NDArray[np.int32]]:
    """Train the network of one plane; return its weights as integers."""
    torch.manual_seed(seed)
    net = _Net(kept[0].shape[1])
    batch = 4096
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-3)
    steps = epochs * (len(kept[1]) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.1)
    random = np.random.default_rng(seed)
    for _ in range(epochs):
        order = random.permutation(len(kept[1]))[: len(kept[1]) // batch * batch]
        for chosen in order.reshape(-1, batch):
            loss = _cost(net, kept[0][chosen], kept[1][chosen]).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        print(f"{float(_cost(net, *held).mean()):.4f} bits a level", flush=True)

    def scaled(tensor: torch.Tensor, one: int) -> NDArray[np.int32]:
        return np.asarray(np.round(tensor.detach().double().numpy() * one), np.int32)

    return {
        "first": scaled(net.first.weight.T, ONE),
        "first_bias": scaled(net.first.bias, ONE),
        "second": scaled(net.second.weight, WEIGHT_ONE),
        "second_bias": scaled(net.second.bias, ONE),
        "third": scaled(net.third.weight, WEIGHT_ONE),
        "third_bias": scaled(net.third.bias, ONE * WEIGHT_ONE),
    }


def build(data: Path, tiles: list[Tile], *, maps: int, epochs: int, seed: int = 0) -> dict[str, NDArray[np.generic]]:
    """Make the table `colors`: the colours of every step size, and both sets of networks."""
    table: dict[str, NDArray[np.generic]] = {}
    for step in range(len(STEPS)):
        table.update(tabulate(step))
    kept, held = [[tile for tile in tiles if tile.held_out_of_tables == wanted] for wanted in (False, True)]
    for finer in (False, True):
        drawn = draw_maps(data, kept, maps, finer=finer, seed=seed)
        measured = draw_maps(data, held, maps, finer=finer, seed=seed + 1)
        planes = [
            train(_collect(drawn, plane, finer=finer), _collect(measured, plane, finer=finer), epochs, seed)
            for plane in range(3)
        ]
        for name in planes[0]:
            table[("finer_" if finer else "") + name] = np.stack([weights[name] for weights in planes])
    return table
