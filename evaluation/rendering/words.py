"""Measure how often a picture rendered from a prompt alone shows what the prompt names.

Prompts name a woman, a man or a city street in many styles, and the codec's captioner classifies the rendered pictures.
With a table of objects (from `python -m training.captioner.objects`), pictures of up to 50 objects are rendered as
well, and the table's network classifies them. Both figures are shares of correct pictures, with their bars.

example:
    python -m evaluation.rendering.words --model mini --count 60
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image
from rich.console import Console
from rich.progress import track

from codec.analysis.captioning.classifier import SUBJECTS, classify, load_classifier
from codec.layers import Priors, Semantic
from evaluation.thresholds import Threshold
from layercast_common.errors import LayercastError
from receiver.rendering.engine.direct import render

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

_Item = TypeVar("_Item")

#: Size of the rendered pictures, in pixels.
SIZE = (256, 256)

#: Prompts for a subject.
WORDINGS = (
    "{}", "a {}", "oil painting of a {}", "watercolor of a {}", "{}, comic, illustration", "photo of a {}",
    "{}, ink drawing", "{}, fantasy, concept art", "illustration of a {}", "{}, painting, impressionism",
)  # fmt: skip

#: Most objects that are rendered.
MAX_OBJECTS = 50


def subject_prompts() -> Iterator[tuple[str, str]]:
    """Yield (subject, prompt) endlessly: every subject in every wording, repeated."""
    while True:
        for wording, subject in product(WORDINGS, SUBJECTS):
            yield subject, wording.format(subject)


def draw(model: "Model", prompt: str, seed: int, *, first: bool = False) -> Image.Image:
    """Render a prompt alone; return the last frame, or the first: an RGB picture of `SIZE`."""
    frames = render(Priors(SIZE, semantic=Semantic(prompt)), seed, model=model)
    return next(frames).image if first else deque(frames, 1).pop().image


def subjects_right(model: "Model", count: int, *, first: bool = False) -> float:
    """Return the share of `count` pictures on which the captioner recognises the subject of the prompt.

    Args:
        model: draws the pictures.
        count: pictures.
        first: classify each picture's first frame instead of its last.
    """
    asked = list(islice(subject_prompts(), count))
    right = 0
    for seed, (subject, prompt) in enumerate(_tracked(asked, "subjects")):
        seen = classify(draw(model, prompt, seed, first=first)).subjects
        right += max(seen, key=lambda name: seen[name]) == subject
    return right / count


def objects_right(model: "Model", table: Path) -> float:
    """Return the share of objects, each rendered once, that the network in `table` classifies correctly."""
    network = load_classifier(table)
    names = network.categories[:MAX_OBJECTS]
    right = 0
    for seed, name in enumerate(_tracked(names, "objects")):
        logits = network.logits(draw(model, name, seed))[-len(network.categories) :][: len(names)]
        right += names[int(logits.argmax())] == name
    return right / len(names)


def _tracked(items: Sequence[_Item], about: str) -> Iterable[_Item]:
    return track(items, about, console=Console(stderr=True), transient=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.rendering.words",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", default="mini", help="registered name, folder or hub id of the model (default: %(default)s)"
    )
    parser.add_argument("--count", type=int, default=200, help="pictures of subjects (default: %(default)s)")
    parser.add_argument("--first", action="store_true", help="classify first frames of subjects, instead of last ones")
    parser.add_argument("--objects", type=Path, metavar="TABLE", help="also render objects; table of their classifier")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args(arguments)
    try:
        from receiver.rendering import load_model

        model = load_model(options.model)
        right = subjects_right(model, options.count, first=options.first)
        bars = [Threshold("subjects right", right, 0.8, at_least=True)]
        if options.objects:
            bars.append(Threshold("objects right", objects_right(model, options.objects), 0.6, at_least=True))
    except (LayercastError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps({bar.what: bar.figure for bar in bars}) + "\n")
    else:
        for bar in bars:
            sys.stdout.write(f"{bar.what}: {bar.figure:.3f}, {'met' if bar.met else 'missed'}: {bar.bound:g} wanted\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
