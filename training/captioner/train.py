"""The mini captioner: a small convolutional network that tells subject, medium and style of a picture.

python -m training.captioner.train --work build/training --minutes 20 --out codec/tables/captioner-1.npz

Trained on the labels of the training pictures alone; the accuracy on those kept out is printed and logged. It is
written as one table, which `codec.analysis.captioning.classifier` reads with NumPy and OpenCV.
"""

import argparse
import json
import logging
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from codec.analysis.captioning.classifier import SIDE, SUBJECTS
from training.data.tensors import to_tensor
from training.data.tiles import Rows
from training.run import TrainingRun, cosine

LEARNING_RATE = 2e-3

#: Channels of the layers and their strides; a layer of stride 1 adds to its input.
LAYERS = ((24, 2), (48, 2), (96, 2), (96, 1), (160, 2), (160, 1))

#: Pictures that a category must have to be told.
MIN_PICTURES = 40

#: Categories that a single picture need not show: where an artist is from, or what most of the works are of.
UNSEEN = ("Portrait", "Landscape", "Cityscape", "Still Life", "Cover Art", "Character Design", "Game Art", "Sweden",
          "Pin-Ups", "Botanical", "Fashion", "Mythology", "Print",
          "USA", "UK", "France", "Japan", "Germany", "Italy", "Russia", "Netherlands", "Canada", "Australia", "Poland",
          "Scotland", "Austria", "Switzerland", "Spain", "Brazil", "Author", "Movie Director", "China", "Denmark",
          "Belgium", "DC Comics", "Marvel", "Disney", "MTG", "Nudity")  # fmt: skip


class Recognizer(nn.Module):
    """Picture (B, 3, SIDE, SIDE) in [-1, 1] -> logits of subjects and of categories."""

    def __init__(self, categories: int) -> None:
        super().__init__()
        layers, before = [], 3
        for width, stride in LAYERS:
            layers.append(nn.Sequential(nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)))
            before = width
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(0.4)
        self.head = nn.Linear(2 * before, len(SUBJECTS) + categories)

    def forward(self, pictures: Tensor) -> Tensor:
        values = pictures
        for layer, (_, stride) in zip(self.layers, LAYERS, strict=True):
            values = F.relu(layer(values) + values if stride == 1 else layer(values))
        pooled = torch.cat([values.mean((2, 3)), values.amax((2, 3))], 1)
        logits: Tensor = self.head(self.dropout(pooled.float()))
        return logits


def load_small(work: Path, split: str) -> tuple[NDArray[np.uint8], Rows]:
    """Every view of a split, a little larger than the network sees it."""
    rows = Rows.load(work / f"{split}.json")
    pictures = np.load(work / f"{split}.npy", mmap_mode="r")
    side = SIDE * 9 // 8 if split == "train" else SIDE
    small = [cv2.resize(pictures[row], (side, side), interpolation=cv2.INTER_AREA) for row in range(len(rows.views))]
    return np.asarray(small, np.uint8), rows


def labels_of(rows: Rows, categories: list[str]) -> tuple[Tensor, Tensor]:
    """(N,) subject of each view, -1 if it varies, and (N, categories) 0 or 1."""
    tiles = [rows.tiles[view.tile] for view in rows.views]
    subjects = [SUBJECTS.index(tile.subject) if tile.subject else -1 for tile in tiles]
    shown = [[float(name in tile.categories) for name in categories] for tile in tiles]
    return torch.tensor(subjects), torch.tensor(shown).reshape(len(tiles), len(categories))


def choose_categories(rows: Rows) -> list[str]:
    """The categories that enough pictures have, and that can be seen."""
    names = [name for view in rows.views for name in rows.tiles[view.tile].categories]
    common = {name for name in set(names) if names.count(name) >= MIN_PICTURES}
    return sorted(name for name in common - set(UNSEEN) if "Century" not in name)


def vary(pictures: NDArray[np.uint8], random: np.random.Generator) -> Tensor:
    """Cut, mirror, and change brightness, contrast and colour, each picture by chance."""
    spare = pictures.shape[1] - SIDE
    cut = np.empty((len(pictures), SIDE, SIDE, 3), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = random.integers(0, spare + 1, 2)
        piece = picture[top : top + SIDE, left : left + SIDE]
        cut[number] = piece[:, ::-1] if random.random() < 0.5 else piece
    values = to_tensor(cut)
    gain = torch.from_numpy(random.uniform(0.7, 1.3, (len(cut), 1, 1, 1))).float()
    shift = torch.from_numpy(random.uniform(-0.25, 0.25, (len(cut), 3, 1, 1))).float()
    gray = torch.from_numpy(random.random((len(cut), 1, 1, 1)) < 0.15).float()
    values = values * (1 - gray) + values.mean(1, keepdim=True) * gray
    return (values * gain + shift).clamp(-1, 1)


def accuracy(network: nn.Module, pictures: NDArray[np.uint8], subjects: Tensor) -> float:
    """Share of the pictures with a subject of which it is told right, from the picture and its mirror image."""
    network.eval()
    with torch.no_grad():
        values = to_tensor(pictures)
        logits = network(values) + network(values.flip(-1))
    network.train()
    known = subjects >= 0
    told = logits[:, : len(SUBJECTS)].argmax(1)
    return float((told == subjects)[known].float().mean()) if known.any() else 0.0


def train(run: TrainingRun, work: Path, out: Path, *, batch: int, seed: int) -> None:
    """Train until the budget is spent, and write the table."""
    torch.manual_seed(seed)
    pictures, rows = load_small(work, "train")
    held_out, held_out_rows = load_small(work, "held_out")
    categories = choose_categories(rows)
    subjects, shown = labels_of(rows, categories)
    held_out_subjects, _ = labels_of(held_out_rows, categories)
    network = Recognizer(len(categories))
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.05)
    if state := run.resume():
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    random = np.random.default_rng((seed, run.step))
    for save in run.ticks():
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(run.progress)
        chosen = random.integers(0, len(pictures), batch)
        with autocast(torch.device("cpu")):
            logits = network(vary(pictures[chosen], random))
        told = (
            F.cross_entropy(
                logits[:, : len(SUBJECTS)], subjects[chosen], ignore_index=-1, label_smoothing=0.05, reduction="sum"
            )
            / batch
        )
        loss = told + F.binary_cross_entropy_with_logits(logits[:, len(SUBJECTS) :], shown[chosen])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if run.step % 100 == 0:
            right = accuracy(network, held_out, held_out_subjects)
            run.log(loss=loss.item(), told=told.item(), held_out_accuracy=right)
        if save:
            run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    write_table(network.eval(), categories, out)
    logging.getLogger("training").info("right: %.3f", accuracy(network.eval(), held_out, held_out_subjects))


def write_table(network: Recognizer, categories: list[str], out: Path) -> None:
    """Write the network in half precision, its batch norms folded into its convolutions."""
    table: dict[str, NDArray[np.generic]] = {}
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, nn.Sequential)
        convolution, norm = layer
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = convolution.weight * scale[:, None, None, None]
        # Rows, columns, channels in, channels out, as the reader multiplies them.
        table[f"weight{number}"] = weight.detach().permute(2, 3, 1, 0).half().numpy()
        table[f"bias{number}"] = (norm.bias - norm.running_mean * scale).detach().half().numpy()
        table[f"stride{number}"] = np.array(convolution.stride[0])
    table["head"] = network.head.weight.detach().T.half().numpy()
    table["head_bias"] = network.head.bias.detach().half().numpy()
    table["categories"] = np.frombuffer(json.dumps([name.lower() for name in categories]).encode(), np.uint8)
    np.savez_compressed(out, **table)  # type: ignore[arg-type]


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument("--out", type=Path, default=Path("codec/tables/captioner-1.npz"))
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, help="budget in steps")
    budget.add_argument("--minutes", type=float, help="budget in minutes, over all restarts")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_STEPS} steps")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    steps = SMOKE_STEPS if options.smoke else options.steps or (None if options.minutes else 4000)
    run = TrainingRun(options.work, "captioner", steps=steps, minutes=options.minutes)
    train(run, options.work, options.out, batch=options.batch, seed=options.seed)


if __name__ == "__main__":
    main()
