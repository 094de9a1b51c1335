"""Train a network that classifies fifty objects, to judge pictures rendered from an object's name.

It is of the captioner's kind and only used for measuring. It learns from scenes of one object each, composed like the
model's training scenes, with other places and grounds.

examples:
    python -m training.captioner.objects --data DATA --objects OBJECTS --minutes 10 --out build/objects.npz
    python -m evaluation.rendering.words --objects build/objects.npz
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from codec.analysis.captioning.classifier import SIDE, SUBJECTS
from training.captioner.train import LEARNING_RATE, Recognizer, vary, write_table
from training.data.scenes import Thing, draw_scene, plan_scenes, read_things
from training.data.tensors import to_tensor
from training.data.tiles import Source, add_source_options, load_tile, read_tiles
from training.run import TrainingRun, add_run_options, autocast, cosine, start_run

#: Number of objects, evenly spread over the names of all objects.
OBJECTS = 50

#: Scenes of each object, for training and for measuring.
SCENES, HELD_OUT_SCENES = 40, 4

#: Seed of the places and grounds of the scenes; the model's own training scenes use small seeds.
SEED = 1000


def choose_things(folder: Path) -> list[Thing]:
    """Return the objects in the order of the network's outputs."""
    things = read_things(folder)
    return things[:: max(1, len(things) // OBJECTS)][:OBJECTS]


def compose(source: Source, scenes: int, seed: int, side: int) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """Return scenes of one object each, (N, side, side, 3) uint8 RGB, and the object's index in each, (N,)."""
    assert source.objects
    tiles = [tile for tile in read_tiles(source.data) if tile.held_out]
    things = choose_things(source.objects)
    pictures, labels = [], []
    for number, thing in enumerate(things):
        for scene in plan_scenes([thing], scenes, len(tiles), seed + number):
            behind = None
            if scene.backdrop >= 0:
                tile = load_tile(source.data, tiles[scene.backdrop])
                behind = np.asarray(tile.resize((side, side), Image.Resampling.BOX), np.uint8)
            pictures.append(draw_scene(source.objects, scene, behind, side))
            labels.append(number)
    return np.stack(pictures), torch.tensor(labels)


def train(run: TrainingRun, source: Source, out: Path, *, batch: int) -> None:
    """Train until the budget is spent, and write the table to `out`."""
    assert source.objects
    torch.manual_seed(SEED)
    pictures, labels = compose(source, SCENES, SEED, SIDE * 9 // 8)
    held_out, held_out_labels = compose(source, HELD_OUT_SCENES, 2 * SEED, SIDE)
    names = [thing.name for thing in choose_things(source.objects)]
    network = Recognizer(len(names))
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.05)
    if state := run.resume():
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    random = np.random.default_rng((SEED, run.step))
    for save in run.ticks():
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * cosine(run.progress)
        chosen = random.integers(0, len(pictures), batch)
        with autocast(torch.device("cpu")):
            logits = network(vary(pictures[chosen], random))[:, len(SUBJECTS) :]
        loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if run.step % 100 == 0:
            network.eval()
            with torch.no_grad():
                predicted = network(to_tensor(held_out))[:, len(SUBJECTS) :].argmax(1)
            network.train()
            run.log(loss=loss.item(), held_out_accuracy=float((predicted == held_out_labels).float().mean()))
        if save:
            run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    write_table(network.eval(), names, out)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    add_run_options(parser, batch=48, steps=1500)
    parser.add_argument(
        "--out", type=Path, default=Path("build/objects.npz"), help="table to write (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.objects is None:
        parser.error("--objects is required: the folder with objects.json")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run = start_run(options, "objects")
    train(run, Source(options.data, options.objects), options.out, batch=options.batch)


if __name__ == "__main__":
    main()
