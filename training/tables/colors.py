"""Build the table `colors`: train the networks of the colour coder (`codec.coders.colors.model`)."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from codec.coders.colors.candidates import find_candidates
from codec.coders.colors.model import (
    FINER_INPUTS,
    INPUTS,
    MAX_DIFFERENCE,
    NODES,
    ONE,
    REACH,
    STEP_TENTHS,
    WEIGHT_ONE,
    ColorNetwork,
    gather_inputs,
)
from codec.coders.colors.payload import quantize
from codec.coders.entropy import compiled
from training.data.tiles import Tile, load_tile

#: Training grids, (columns, rows); repeated ones are more frequent.
GRIDS = ((8, 8), (8, 8), (8, 8), (8, 8), (4, 4), (4, 4), (12, 8), (8, 12), (16, 16))
FINER_GRIDS = ((8, 8), (8, 8), (8, 8), (12, 8), (8, 12), (16, 16))

#: Units of the two hidden layers.
UNITS = (48, 32)

#: Rounds of training, as shares of the epochs. From the second round on, the coder chooses the levels with the networks
#: of the round before.
ROUNDS = (0.34, 1.0)

#: Range of random contrast changes, and largest random change of brightness, in levels of 255.
CONTRASTS, BRIGHTNESS = (0.7, 1.2), 25

_Samples = tuple[NDArray[np.int16], NDArray[np.int16]]


@dataclass(frozen=True, slots=True)
class _Map:
    """A colour map and the coarser one of the same picture, both (rows, columns, 3) uint8."""

    step: int
    colors: NDArray[np.uint8]
    coarse: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Coded:
    """The same maps as quantiser levels, (rows, columns, 3) int32."""

    step: int
    levels: NDArray[np.int32]
    coarse: NDArray[np.int32]


def draw_maps(data: Path, tiles: list[Tile], maps: int, *, finer: bool, seed: int) -> list[_Map]:
    """Make `maps` colour maps of random crops of each picture; the first is of the whole picture."""
    random = np.random.default_rng(seed)
    cv2.setNumThreads(1)
    result = []
    for tile in tiles:
        whole = np.asarray(load_tile(data, tile))
        for index in range(maps):
            columns, rows = (FINER_GRIDS if finer else GRIDS)[random.integers(len(FINER_GRIDS if finer else GRIDS))]
            picture = _cut(whole, random) if index else whole
            fine, coarse = (
                np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
                for size in ((columns, rows), ((columns + 1) // 2, (rows + 1) // 2))
            )
            if index:
                contrast, brightness = random.uniform(*CONTRASTS), random.uniform(-BRIGHTNESS, BRIGHTNESS)
                fine, coarse = (
                    np.clip((colors - 128.0) * contrast + 128 + brightness, 0, 255).astype(np.uint8)
                    for colors in (fine, coarse)
                )
            result.append(_Map(int(random.integers(len(STEP_TENTHS))), fine, coarse))
    return result


def _cut(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    side = picture.shape[0]
    size = int(side * random.uniform(0.7, 1.0))
    top, left = random.integers(0, side - size + 1, 2)
    cut = picture[top : top + size, left : left + size]
    return np.ascontiguousarray(cut[:, ::-1] if random.random() < 0.5 else cut)


def _code(maps: list[_Map], whole: ColorNetwork | None, finer: ColorNetwork | None, *, refine: bool) -> list[_Coded]:
    """Choose levels with the networks of whole and of refined maps; without networks, choose the nearest levels."""
    result = []
    for drawn in maps:
        coarse = _levels(drawn.coarse, drawn.step, whole, None) if refine else None
        levels = _levels(drawn.colors, drawn.step, finer if refine else whole, coarse)
        result.append(_Coded(drawn.step, levels, np.zeros((1, 1, 3), np.int32) if coarse is None else coarse))
    return result


def _levels(
    colors: NDArray[np.uint8], step: int, network: ColorNetwork | None, coarse: NDArray[np.int32] | None
) -> NDArray[np.int32]:
    if network is None:
        return np.ascontiguousarray(find_candidates(colors, step).levels[:, :, 0])
    return quantize(colors, coarse, step, network)


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


def _collect(maps: list[_Coded], plane: int, *, finer: bool) -> _Samples:
    inputs, differences = [], []
    for coded in maps:
        cells = coded.levels.shape[0] * coded.levels.shape[1]
        # Rows have the length for refined maps; whole maps use only the first inputs.
        filled, found = np.zeros((cells, FINER_INPUTS), np.int16), np.zeros(cells, np.int16)
        _sample(coded.levels, coded.coarse, finer, coded.step, plane, filled, found)
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
    """Return the bits of each difference: the sum over the nodes on its path."""
    values = net(torch.from_numpy(inputs).float())
    target = torch.from_numpy(np.clip(differences, -MAX_DIFFERENCE, MAX_DIFFERENCE)).long()
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


def build(data: Path, tiles: list[Tile], *, maps: int, epochs: int, seed: int = 0) -> dict[str, NDArray[np.int32]]:
    """Make the table `colors`: the networks for whole maps, and for refined ones with the prefix `finer_`."""
    torch.set_num_threads(1)
    kept, held = [[tile for tile in tiles if tile.held_out_of_tables == wanted] for wanted in (False, True)]
    table: dict[str, NDArray[np.int32]] = {}
    whole = None
    for refine in (False, True):
        drawn = draw_maps(data, kept, maps, finer=refine, seed=seed)
        measured = draw_maps(data, held, 1, finer=refine, seed=seed + 1)
        network = None
        for share in ROUNDS:
            sets = [_code(maps, whole if refine else network, network, refine=refine) for maps in (drawn, measured)]
            planes = []
            for plane in range(3):
                samples = [_collect(coded, plane, finer=refine) for coded in sets]
                planes.append(train(samples[0], samples[1], max(1, int(epochs * share)), seed))
            weights = {name: np.stack([plane[name] for plane in planes]) for name in ColorNetwork._fields}
            network = ColorNetwork(**weights)
        if not refine:
            whole = network
        table.update({("finer_" if refine else "") + name: array for name, array in weights.items()})
    return table
