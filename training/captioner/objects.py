"""A network that tells fifty objects apart, of the captioner's kind, to judge what is drawn from an object's name.

python -m training.captioner.objects --data DATA --objects OBJECTS --work build/training --minutes 10 \
    --out build/objects.npz
python -m evaluation.rendering.words --objects build/objects.npz

It is for measuring only. Its pictures are scenes of one object each, composed as those that the model is trained on, in
other places and on other grounds.
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
from training.run import TrainingRun, cosine

#: Objects that are told apart: every so-many-th name of those that scenes hold.
OBJECTS = 50

#: Scenes of each object, to learn from and to measure on.
SCENES, HELD_OUT_SCENES = 40, 4

#: Of the places and grounds of the scenes; the model's own come from small numbers.
SEED = 1000


def choose_things(folder: Path) -> list[Thing]:
    """The objects, in the order of the network's outputs."""
    things = read_things(folder)
    return things[:: max(1, len(things) // OBJECTS)][:OBJECTS]


def compose(source: Source, scenes: int, seed: int, side: int) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """Scenes of one object each, (N, side, side, 3) uint8 RGB, and (N,) which it is."""
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
    """Train until the budget is spent, and write the table."""
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
                told = network(to_tensor(held_out))[:, len(SUBJECTS) :].argmax(1)
            network.train()
            run.log(loss=loss.item(), held_out_accuracy=float((told == held_out_labels).float().mean()))
        if save:
            run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    run.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    write_table(network.eval(), names, out)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument("--out", type=Path, default=Path("build/objects.npz"))
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, help="budget in steps")
    budget.add_argument("--minutes", type=float, help="budget in minutes, over all restarts")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_STEPS} steps")
    options = parser.parse_args(arguments)
    if options.objects is None:
        parser.error("say where the objects are, with --objects")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    steps = SMOKE_STEPS if options.smoke else options.steps or (None if options.minutes else 1500)
    run = TrainingRun(options.work, "objects", steps=steps, minutes=options.minutes)
    train(run, Source(options.data, options.objects), options.out, batch=options.batch)


if __name__ == "__main__":
    main()
