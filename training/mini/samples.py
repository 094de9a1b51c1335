"""What the diffusion model is shown: one picture's latents with a random part of what a receiver may hold of it."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info
from transformers import CLIPTokenizer

from training.data.captions import MAX_TOKENS, caption, mirrored, scene_caption
from training.data.conditions import COLOR_LOOKS, LOOKS, StoredConditions
from training.data.pack import SIZE
from training.data.tiles import Rows
from training.mini.transform import mirror

#: How often each set of layers is shown: (edges, colours) -> share.
LEVELS = {(False, False): 0.2, (True, False): 0.2, (True, True): 0.45, (False, True): 0.15}

#: Share of samples without text, for guidance and for links that lost it.
NO_TEXT = 0.12

#: How often each kind of colour map is shown: finer cells mostly, as the codec's usual budget pays for.
COLOR_SHARES = (0.4, 0.3, 0.1, 0.1, 0.1)


@dataclass(frozen=True, slots=True)
class Batch:
    """One training batch; every tensor starts with the batch dimension.

    Attributes:
        latents: (B, C, 32, 32) float, scaled to unit variance.
        tokens: (B, 32) int64.
        edges: (B, 1, 256, 256) float, 0 or 1.
        colors: (B, 3, 16, 16) float in [0, 1].
        has_edges, has_colors: (B, 1, 1, 1) float, 0 or 1.
    """

    latents: Tensor
    tokens: Tensor
    edges: Tensor
    colors: Tensor
    has_edges: Tensor
    has_colors: Tensor


class Samples(Dataset[Batch]):
    """Every row of a split, each drawn with fresh captions, edges, colours and gaps at every look."""

    def __init__(self, work: Path, split: str, latents: Tensor, tokenizer: CLIPTokenizer, seed: int) -> None:
        self.rows = Rows.load(work / f"{split}.json")
        self.conditions = StoredConditions.load(work, split)
        self.latents = latents
        self.tokenizer = tokenizer
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    def words(self, row: int, dice: random.Random) -> str:
        """A caption of a row."""
        names, plain = self.conditions.color_names[row], self.conditions.plain[row]
        views = self.rows.views
        if row < len(views):
            return caption(self.rows.tiles[views[row].tile], names, plain, dice)
        return scene_caption(self.rows.scenes[row - len(views)], names, plain, dice)

    def batch(self, rows: list[int], turn: int) -> Batch:
        """Draw the samples of `rows`; `turn` makes every look at a view another one."""
        picked = [self._sample(row, random.Random(f"{self.seed}/{turn}/{row}")) for row in rows]
        latents, texts, edges, colors, levels = zip(*picked, strict=True)
        tokens = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        ).input_ids
        present = torch.tensor(levels, dtype=torch.float32)[:, :, None, None, None]
        return Batch(
            latents=torch.stack(latents),
            tokens=tokens,
            edges=torch.from_numpy(np.stack(edges)).unsqueeze(1).float().div_(255),
            colors=torch.from_numpy(np.stack(colors)).permute(0, 3, 1, 2).float().div_(255),
            has_edges=present[:, 0],
            has_colors=present[:, 1],
        )

    def _sample(self, row: int, dice: random.Random) -> tuple[Any, ...]:
        level = dice.choices(list(LEVELS), list(LEVELS.values()))[0]
        text = "" if dice.random() < NO_TEXT else self.words(row, dice)
        latents = self.latents[row].float()
        edges = np.zeros((SIZE, SIZE), np.uint8)
        if level[0]:
            edges = self.conditions.edge_image(row, dice.randrange(LOOKS))
        colors = self.conditions.colors[row, dice.choices(range(len(COLOR_LOOKS)), COLOR_SHARES)[0]]
        if dice.random() < 0.5:
            latents, edges, colors = mirror(latents), edges[:, ::-1].copy(), colors[:, ::-1].copy()
            text = mirrored(text)
        return latents, text, edges, colors, level


def stream(samples: Samples, batch: int, seed: int, start: int, workers: int) -> "DataLoader[Batch]":
    """Batches for ever, every row once a turn, from batch number `start` on; the same whatever `workers` prepares them.

    Args:
        samples: what is shown.
        batch: rows in a batch.
        seed: of the order.
        start: batches to leave out, which is what a restart has seen.
        workers: processes that prepare batches; 0 prepares them in this one.
    """
    return DataLoader(_Batches(samples, batch, seed, start), batch_size=None, num_workers=workers)


class _Batches(IterableDataset[Batch]):
    def __init__(self, samples: Samples, batch: int, seed: int, start: int) -> None:
        self._samples, self._batch, self._seed, self._start = samples, batch, seed, start

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        # A loader asks its workers in turn, so that each prepares every so-many-th batch.
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        count = len(self._samples)
        per_turn = max(1, count // self._batch)
        for number in itertools.count(self._start + first, step):
            turn, offset = divmod(number, per_turn)
            order = np.random.default_rng((self._seed, turn)).permutation(count)
            rows = np.resize(order, max(count, self._batch))[offset * self._batch :][: self._batch]
            yield self._samples.batch([int(row) for row in rows], turn)
