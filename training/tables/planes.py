"""Trains the networks of the plane coder (`codec.coders.planes`) on the data set's pictures, and on composed scenes."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.coders.planes.network import NETWORKS, ONE, WEIGHT_ONE
from codec.coders.planes.payload import to_coefficients, trace_decisions
from codec.coders.planes.views import NETWORK_OF, feature_counts
from training.data.scenes import draw_scene, plan_scenes, read_things
from training.data.tiles import Tile, load_tile
from training.tables.sparse_network import Samples, Weights, cost, train

#: Units of the two stages, of each network, and its share of the steps.
UNITS = ((40, 16), (64, 16), (24, 16), (32, 16))
STEPS = (1.0, 0.8, 0.4, 0.7)

#: What the rate of learning is at its height.
RATE = 4e-3

#: Planes down to which pictures are coded, on a canvas of 512 pixels, and how often each.
LAST_PLANES = {3: 0.05, 4: 0.15, 5: 0.25, 6: 0.3, 7: 0.25}

#: Of decisions below this plane only a share is learnt from, for each network; there are plenty.
ALL_FROM, SHARES = 8, np.array([0.3, 1.0, 0.5, 0.6])

#: How many of the pictures are composed scenes; of the others, which are cut and which have other contrast.
SCENES, CUT, CONTRAST = 0.08, 0.12, 0.15

#: Bounds of sides of cuts, of contrast and of brightness (of 255).
SIDES, CONTRASTS, BRIGHTNESS = (200, 512), (0.7, 1.2), 25


def build(
    data: Path, objects: Path, tiles: list[Tile], *, pictures: int, steps: int, seed: int = 0
) -> dict[str, NDArray[np.generic]]:
    """Make the table `planes`: the weights of all networks.

    Args:
        data: folder of sheets.
        objects: folder of objects, for scenes.
        tiles: all of the data set; those kept out of tables are only measured on.
        pictures: how many to learn from.
        steps: of training.
        seed: of all choices.
    """
    kept, held = [[tile for tile in tiles if tile.held_out_of_tables == wanted] for wanted in (False, True)]
    random = np.random.default_rng(seed)
    samples = collect(draw_pictures(data, objects, kept, pictures, random), random)
    measured = collect((np.asarray(load_tile(data, tile)) for tile in held[::10]), random)
    table: dict[str, NDArray[np.generic]] = {}
    for number, name in enumerate(NETWORKS):
        count = feature_counts()[number]
        weights = train(samples[number], count, UNITS[number], round(steps * STEPS[number]), RATE, seed)
        print(f"{name}: {cost(measured[number], weights):.4f} bits a decision", flush=True)
        table.update({f"{name}_{field}": array for field, array in to_integers(weights).items()})
    return table


def draw_pictures(
    data: Path, objects: Path, tiles: list[Tile], count: int, random: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures to learn from, (H, W, 3) uint8 RGB: tiles, some of them mirrored, cut, changed; and scenes."""
    seed = int(random.integers(1 << 31))
    scenes = plan_scenes(read_things(objects), count, len(tiles), seed)
    order = random.permutation(len(tiles))
    for number in range(count):
        if random.random() < SCENES:
            scene = next(scenes)
            behind = np.asarray(load_tile(data, tiles[scene.backdrop])) if scene.backdrop >= 0 else None
            yield draw_scene(objects, scene, behind, 512)
            continue
        picture = np.asarray(load_tile(data, tiles[order[number % len(order)]]))
        if random.random() < 0.5:
            picture = picture[:, ::-1]
        if random.random() < CUT:
            picture = _cut(picture, random)
        if random.random() < CONTRAST:
            changed = (picture - 128.0) * random.uniform(*CONTRASTS) + 128 + random.uniform(-BRIGHTNESS, BRIGHTNESS)
            picture = np.clip(changed, 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(picture)


def _cut(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    width, height = (int(side) for side in random.integers(SIDES[0], SIDES[1] + 1, 2))
    side = round(random.uniform(max(width, height), picture.shape[0]))
    small = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    top, left = int(random.integers(side - height + 1)), int(random.integers(side - width + 1))
    return small[top : top + height, left : left + width]


def collect(pictures: Iterator[NDArray[np.uint8]], random: np.random.Generator) -> list[Samples]:
    """What each network is asked when pictures are coded down to planes chosen by chance."""
    lists: list[list[NDArray[np.int16]]] = [[] for _ in NETWORKS]
    decisions: list[list[NDArray[np.int32]]] = [[] for _ in NETWORKS]
    for picture in pictures:
        last = int(random.choice(list(LAST_PLANES), p=list(LAST_PLANES.values())))
        canvas = (picture.shape[1], picture.shape[0])
        features, made = trace_decisions(to_coefficients(picture), canvas, last)
        network = np.array(NETWORK_OF)[made[:, 0]]
        learnt = (random.random(len(made)) < SHARES[network]) | (made[:, 3] >= ALL_FROM)
        for number in range(len(NETWORKS)):
            chosen = learnt & (network == number)
            lists[number].append(features[np.repeat(chosen, made[:, 2])])
            decisions[number].append(made[chosen])
    result = []
    for listed, made_of in zip(lists, decisions, strict=True):
        made = np.concatenate(made_of)
        starts = np.concatenate([[0], np.cumsum(made[:, 2], dtype=np.int64)])
        result.append(Samples(np.concatenate(listed), starts, made[:, 1].astype(np.float32)))
    return result


def to_integers(weights: Weights) -> dict[str, NDArray[np.generic]]:
    """Weights as `codec.coders.planes.network` has them."""
    first, first_bias, second, second_bias, third, third_bias = weights
    # Results are nats here, and logistic units there.
    out = 256 * 16384 / ONE

    def scaled(array: NDArray[np.float32], one: float) -> NDArray[np.int32]:
        return np.round(array.astype(np.float64) * one).astype(np.int32)

    def small(array: NDArray[np.float32], one: float) -> NDArray[np.int16]:
        return np.clip(scaled(array, one), -32767, 32767).astype(np.int16)

    return {
        "first": small(first, ONE),
        "first_bias": scaled(first_bias, ONE),
        "second": small(second, WEIGHT_ONE),
        "second_bias": scaled(second_bias, ONE),
        "third": scaled(third, out),
        "third_bias": scaled(third_bias[0], 256 * 16384),
    }
