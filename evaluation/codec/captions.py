"""Measure how often the mini captioner is right when it names a subject, on photographs that it was not trained on.

The photographs of scikit-image and scikit-learn are in their wheels, in `skimage/data` and `sklearn/datasets/images`.
Any other folder works with a file of labels: a file name, a tab, and woman, man, city street or -, in each line.

example:
    python -m evaluation.codec.captions --photos skimage/data sklearn/datasets/images
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codec.analysis.captioning.classifier import MIN_SUBJECT, classify
from codec.image_io import load_picture
from layercast_common.errors import LayercastError, StorageError, UsageError

#: What the photographs of scikit-image and scikit-learn show, of what the captioner can name; - for nothing of it.
LABELS = {
    "astronaut.png": "woman",
    "camera.png": "man",
    **dict.fromkeys(
        (
            "brick.png", "chelsea.png", "china.jpg", "coffee.png", "coins.png", "flower.jpg", "grass.png", "gravel.png",
            "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg",
            "rocket.jpg",
        ),
        "-",
    ),
}  # fmt: skip


def labelled(folders: Sequence[Path], labels: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield the labelled pictures of some folders, with what they show."""
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        if path.name in labels:
            yield path, labels[path.name]


def measure(pictures: Sequence[tuple[Path, str]]) -> dict[str, float]:
    """Count the pictures, those on which the captioner names a subject, and those on which it names the right one.

    Raises:
        PictureError: a picture cannot be read.
    """
    named = right = 0
    for path, subject in pictures:
        seen = classify(load_picture(path).image).subjects
        best = max(seen, key=lambda name: seen[name])
        if seen[best] >= MIN_SUBJECT:
            named += 1
            right += best == subject
    return {"pictures": len(pictures), "named": named, "right": right, "confidence": right / max(named, 1)}


def read_labels(path: Path) -> dict[str, str]:
    """Read a file of labels.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        rows = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line]
    except OSError as error:
        raise StorageError.of(error, path) from error
    return {name: subject.strip() for name, subject in rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.codec.captions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photos", nargs="+", type=Path, required=True, metavar="DIR", help="folders of photographs")
    parser.add_argument("--labels", type=Path, metavar="TSV", help="what they show (default: that of scikit-image's)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a line")
    options = parser.parse_args(arguments)
    try:
        pictures = list(labelled(options.photos, read_labels(options.labels) if options.labels else LABELS))
        if not pictures:
            raise UsageError("none of the folders has a labelled picture")
        figures = measure(pictures)
    except (LayercastError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        sys.stdout.write(
            f"{figures['pictures']} photographs; the captioner names a subject on {figures['named']}; right: "
            f"{figures['right']}, a confidence of {figures['confidence']:.2f}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
