"""Training of the plane coder's networks (`codec.coders.planes`) on data set pictures and composed scenes."""

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
from training.tables.sparse_network import DecisionSamples, Weights, cost, train

#: Units of the first and second stage of each network, and its share of the training steps.
UNITS = ((40, 16), (64, 16), (24, 16), (32, 16))
STEPS = (1.0, 0.8, 0.4, 0.7)

#: Peak learning rate.
RATE = 4e-3

#: Last planes to which pictures are coded, as numbered on a canvas of 512x512 pixels, and the probability of each.
LAST_PLANES = {0: 0.02, 1: 0.03, 2: 0.04, 3: 0.06, 4: 0.15, 5: 0.25, 6: 0.25, 7: 0.2}

#: Below this plane decisions are plentiful: each network learns only from this share of them.
ALL_FROM, SHARES = 8, np.array([0.3, 1.0, 0.5, 0.6])

#: Up to this last plane, only from this part of the share.
MANY_UNTIL, PART_OF_MANY = 2, 0.15

#: Share of composed scenes among the pictures; of the other pictures, share of crops and share with changed contrast.
SCENES, CUT, CONTRAST = 0.08, 0.12, 0.15

#: Ranges of the sides of crops in pixels, of contrast factors, and maximum change of brightness (of 255).
SIDES, CONTRASTS, BRIGHTNESS = (200, 512), (0.7, 1.2), 25


def build(
    data: Path, objects: Path, tiles: list[Tile], *, pictures: int, steps: int, seed: int = 0
) -> dict[str, NDArray[np.generic]]:
    """Build the table `planes`: the weights of all networks.

    Args:
        data: folder of sheets.
        objects: folder of objects, for scenes.
        tiles: all tiles of the data set. Tiles held out of tables are used only for measurements.
        pictures: number of training pictures.
        steps: number of training steps.
        seed: random seed.
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
    """Yield training pictures, (H, W, 3) uint8 RGB: scenes, and tiles, some mirrored, cropped or of other contrast."""
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


def collect(pictures: Iterator[NDArray[np.uint8]], random: np.random.Generator) -> list[DecisionSamples]:
    """Code pictures down to random planes and return the decisions of each network."""
    lists: list[list[NDArray[np.int16]]] = [[] for _ in NETWORKS]
    decisions: list[list[NDArray[np.int32]]] = [[] for _ in NETWORKS]
    for picture in pictures:
        last = int(random.choice(list(LAST_PLANES), p=list(LAST_PLANES.values())))
        canvas = (picture.shape[1], picture.shape[0])
        features, made = trace_decisions(to_coefficients(picture), canvas, last)
        network = np.array(NETWORK_OF)[made[:, 0]]
        share = SHARES[network] * (PART_OF_MANY if last <= MANY_UNTIL else 1.0)
        learnt = (random.random(len(made)) < share) | (made[:, 3] >= ALL_FROM)
        for number in range(len(NETWORKS)):
            chosen = learnt & (network == number)
            lists[number].append(features[np.repeat(chosen, made[:, 2])])
            decisions[number].append(made[chosen])
    result = []
    for listed, made_of in zip(lists, decisions, strict=True):
        made = np.concatenate(made_of)
        starts = np.concatenate([[0], np.cumsum(made[:, 2], dtype=np.int64)])
        result.append(DecisionSamples(np.concatenate(listed), starts, made[:, 1].astype(np.float32)))
    return result


def to_integers(weights: Weights) -> dict[str, NDArray[np.generic]]:
    """Convert weights to the fixed-point format of `codec.coders.planes.network`."""
    first, first_bias, second, second_bias, third, third_bias = weights
    # The trained output is in nats; the coder expects logistic units (256 per nat).
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
