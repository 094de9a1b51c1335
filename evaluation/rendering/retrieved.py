"""Measure whether what a model retrieves for a prompt alone is the subject that the prompt asks for.

Each line of the file has the name of the subject in the model's retrieval index, or - if the index has no picture of
it, a tab, and a prompt. *Right* is the share of the retrieved pictures that show the subject; *found* is the share of
the subjects in the index that are retrieved.

example:
    python -m evaluation.rendering.retrieved --model mini
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from evaluation.thresholds import Threshold
from layercast_common.errors import LayercastError, StorageError, UsageError
from receiver.rendering.prompt_subject import words_of
from receiver.rendering.retrieval import RetrievalIndex

#: The prompts, labelled by hand.
PROMPTS = Path(__file__).parent / "prompts.tsv"

#: The subject of a prompt that the index has no picture of.
NO_SUBJECT = "-"


def read_prompts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the subject and the text of each prompt in a file.

    Raises:
        StorageError: the file cannot be read.
        UsageError: a line is not a subject, a tab and a prompt.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise StorageError.of(error, path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip():
            continue
        subject, tab, prompt = line.partition("\t")
        if not tab:
            raise UsageError(f"{path}, line {number}: not a subject, a tab and a prompt")
        yield subject, prompt


def measure(index: RetrievalIndex, prompts: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Count the prompts, those with a subject in the index, those that retrieve something, and the right ones."""
    counts = {"prompts": len(prompts), "in_index": 0, "retrieved": 0, "right": 0}
    for subject, prompt in prompts:
        found = index.pictures_of(prompt)
        counts["in_index"] += subject != NO_SUBJECT
        counts["retrieved"] += bool(found)
        counts["right"] += bool(found) and all(_is_named(subject, index.names_of(number)) for number in found)
    return counts


def _is_named(subject: str, names: Sequence[str]) -> bool:
    """Return whether one of the names is the subject, in the singular or the plural."""
    return words_of(subject) in [words_of(name) for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.rendering.retrieved",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="mini", help="registered name or folder of the model (default: %(default)s)")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="labelled prompts (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args(arguments)
    try:
        from receiver.rendering.model_files.files import find_files

        folder = find_files(options.model).retrieval
        if folder is None:
            raise UsageError(f"{options.model} has no retrieval index")
        counts = measure(RetrievalIndex.load(folder), list(read_prompts(options.prompts)))
    except LayercastError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    bars = [
        Threshold("right", counts["right"] / max(counts["retrieved"], 1), 0.9, at_least=True),
        Threshold("found", counts["right"] / max(counts["in_index"], 1), 0.8, at_least=True),
    ]
    if options.json:
        sys.stdout.write(json.dumps(counts | {bar.what: bar.figure for bar in bars}) + "\n")
        return 0
    sys.stdout.write(f"{counts['prompts']} prompts; {counts['retrieved']} retrieve a picture\n")
    for bar in bars:
        sys.stdout.write(f"{bar.what}: {bar.figure:.3f}, {'met' if bar.met else 'missed'}: {bar.bound:g} wanted\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
