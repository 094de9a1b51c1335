"""Stage 8: train the mini captioner, a small convolutional network that classifies subject, medium and style.

It learns from the labels of the training pictures only; the accuracy on held-out pictures is logged. The result is one
table, which `codec.analysis.captioning.classifier` reads with NumPy and OpenCV.

example:
    python -m training.captioner.train --minutes 20 --out codec/tables/captioner-1.npz
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
from training.run import TrainingRun, add_run_options, autocast, cosine, start_run

_log = logging.getLogger(__name__)

LEARNING_RATE = 2e-3

#: Channels of the layers and their strides; a layer of stride 1 adds to its input.
LAYERS = ((24, 2), (48, 2), (96, 2), (96, 1), (160, 2), (160, 1))

#: Least number of pictures for a category to be learnt.
MIN_PICTURES = 40

#: Categories that a single picture need not show: an artist's origin, or the subject of most of the works.
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
    """Load every view of a split, for training slightly larger than the network's input."""
    rows = Rows.load(work / f"{split}.json")
    pictures = np.load(work / f"{split}.npy", mmap_mode="r")
    side = SIDE * 9 // 8 if split == "train" else SIDE
    small = [cv2.resize(pictures[row], (side, side), interpolation=cv2.INTER_AREA) for row in range(len(rows.views))]
    return np.asarray(small, np.uint8), rows


def labels_of(rows: Rows, categories: list[str]) -> tuple[Tensor, Tensor]:
    """Return the subject of each view, (N,), -1 if it varies, and its categories, (N, categories), 0 or 1."""
    tiles = [rows.tiles[view.tile] for view in rows.views]
    subjects = [SUBJECTS.index(tile.subject) if tile.subject else -1 for tile in tiles]
    shown = [[float(name in tile.categories) for name in categories] for tile in tiles]
    return torch.tensor(subjects), torch.tensor(shown).reshape(len(tiles), len(categories))


def choose_categories(rows: Rows) -> list[str]:
    """Return the categories that enough pictures have and that pictures show."""
    names = [name for view in rows.views for name in rows.tiles[view.tile].categories]
    common = {name for name in set(names) if names.count(name) >= MIN_PICTURES}
    return sorted(name for name in common - set(UNSEEN) if "Century" not in name)


def vary(pictures: NDArray[np.uint8], random: np.random.Generator) -> Tensor:
    """Augment each picture at random: crop, mirror, and change brightness, contrast and colour."""
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
    """Return the share of pictures whose subject is classified correctly, of those that have one.

    The logits of the picture and of its mirror image are added.
    """
    network.eval()
    with torch.no_grad():
        values = to_tensor(pictures)
        logits = network(values) + network(values.flip(-1))
    network.train()
    known = subjects >= 0
    predicted = logits[:, : len(SUBJECTS)].argmax(1)
    return float((predicted == subjects)[known].float().mean()) if known.any() else 0.0


def train(run: TrainingRun, work: Path, out: Path, *, batch: int, seed: int) -> None:
    """Train until the budget is spent, and write the table to `out`."""
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
        subject_loss = (
            F.cross_entropy(
                logits[:, : len(SUBJECTS)], subjects[chosen], ignore_index=-1, label_smoothing=0.05, reduction="sum"
            )
            / batch
        )
        loss = subject_loss + F.binary_cross_entropy_with_logits(logits[:, len(SUBJECTS) :], shown[chosen])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if run.step % 100 == 0:
            correct = accuracy(network, held_out, held_out_subjects)
            run.log(loss=loss.item(), subject_loss=subject_loss.item(), held_out_accuracy=correct)
        if save:
            run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    write_table(network.eval(), categories, out)
    _log.info("accuracy on held-out pictures: %.3f", accuracy(network.eval(), held_out, held_out_subjects))


def write_table(network: Recognizer, categories: list[str], out: Path) -> None:
    """Write the network in half precision, with its batch norms folded into the convolutions."""
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
        # The reader multiplies weights in this order: rows, columns, channels in, channels out.
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
    add_run_options(parser, batch=48, steps=4000)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("codec/tables/captioner-1.npz"),
        help="table to write (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batches (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run = start_run(options, "captioner")
    train(run, options.work, options.out, batch=options.batch, seed=options.seed)


if __name__ == "__main__":
    main()
