"""Training samples of the diffusion model: a picture's latents with a random subset of its conditions."""

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
from training.data.conditions import COLOR_VARIANTS, EDGE_VARIANTS, StoredConditions
from training.data.pack import SIZE
from training.data.tiles import Rows
from training.mini.transform import mirror

#: Share of samples with each set of layers: (edges, colours) -> share.
LEVELS = {(False, False): 0.2, (True, False): 0.2, (True, True): 0.45, (False, True): 0.15}

#: Share of samples without text, for guidance and for prompts that were lost.
NO_TEXT = 0.12

#: Share of samples with each colour map of `COLOR_VARIANTS`: mostly finer cells, as the codec's usual budget allows.
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
    """The rows of a split; each use of a row gets a new random caption, edge drawing, colour map and set of layers."""

    def __init__(self, work: Path, split: str, latents: Tensor, tokenizer: CLIPTokenizer, seed: int) -> None:
        self.rows = Rows.load(work / f"{split}.json")
        self.conditions = StoredConditions.load(work, split)
        self.latents = latents
        self.tokenizer = tokenizer
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    def caption_of(self, row: int, rng: random.Random) -> str:
        """Compose a caption of a row."""
        names, plain = self.conditions.color_names[row], self.conditions.plain[row]
        views = self.rows.views
        if row < len(views):
            return caption(self.rows.tiles[views[row].tile], names, plain, rng)
        return scene_caption(self.rows.scenes[row - len(views)], names, plain, rng)

    def batch(self, rows: list[int], epoch: int) -> Batch:
        """Make the samples of `rows`; each epoch gives a row other conditions."""
        samples = [self._sample(row, random.Random(f"{self.seed}/{epoch}/{row}")) for row in rows]
        latents, texts, edges, colors, levels = zip(*samples, strict=True)
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

    def _sample(self, row: int, rng: random.Random) -> tuple[Any, ...]:
        level = rng.choices(list(LEVELS), list(LEVELS.values()))[0]
        text = "" if rng.random() < NO_TEXT else self.caption_of(row, rng)
        latents = self.latents[row].float()
        edges = np.zeros((SIZE, SIZE), np.uint8)
        if level[0]:
            edges = self.conditions.edge_image(row, rng.randrange(EDGE_VARIANTS))
        colors = self.conditions.colors[row, rng.choices(range(len(COLOR_VARIANTS)), COLOR_SHARES)[0]]
        if rng.random() < 0.5:
            latents, edges, colors = mirror(latents), edges[:, ::-1].copy(), colors[:, ::-1].copy()
            text = mirrored(text)
        return latents, text, edges, colors, level


def batch_loader(samples: Samples, batch: int, seed: int, start: int, workers: int) -> "DataLoader[Batch]":
    """Return an endless loader of batches with every row once per epoch; the batches do not depend on `workers`.

    Args:
        samples: the samples.
        batch: rows in a batch.
        seed: of the order of rows.
        start: number of the first batch; a resumed run skips those that it has used.
        workers: processes that prepare batches; 0 prepares them in this one.
    """
    return DataLoader(_Batches(samples, batch, seed, start), batch_size=None, num_workers=workers)


class _Batches(IterableDataset[Batch]):
    """The batches of one loader's worker; arguments as in `batch_loader`."""

    def __init__(self, samples: Samples, batch: int, seed: int, start: int) -> None:
        self._samples, self._batch, self._seed, self._start = samples, batch, seed, start

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        # The loader asks its workers in turn, so worker i of n prepares every nth batch from i on.
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        count = len(self._samples)
        per_epoch = max(1, count // self._batch)
        for number in itertools.count(self._start + first, step):
            epoch, offset = divmod(number, per_epoch)
            order = np.random.default_rng((self._seed, epoch)).permutation(count)
            rows = np.resize(order, max(count, self._batch))[offset * self._batch :][: self._batch]
            yield self._samples.batch([int(row) for row in rows], epoch)
