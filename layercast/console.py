"""What a person or a script gets to see: reports on stdout, progress and notes on stderr."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from layercast.logs import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from evaluation.thresholds import Threshold


def report(figures: dict[str, Any]) -> None:
    """Write one JSON object to stdout, in ASCII, since it may hold file names that no encoding takes."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def say(text: str, *, quiet: bool = False) -> None:
    """Write a line for a person to stderr."""
    if not quiet:
        sys.stderr.write(_shown(text) + "\n")
        sys.stderr.flush()


def show_line(text: str) -> None:
    """Write a line for a person to stdout."""
    sys.stdout.write(_shown(text) + "\n")


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to stdout: the first column to the left, figures to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        # Text, since a prompt or file name may hold what rich would take for markup.
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)


def show_bars(bars: "Sequence[Threshold]") -> None:
    """Write what is promised, what came of it, and whether that will do."""
    rows = [
        (
            bar.what,
            f"{bar.figure:.3f}",
            f"{'>=' if bar.at_least else '<='} {bar.bound:g}",
            "met" if bar.met else "missed",
        )
        for bar in bars
    ]
    show_table(("bar", "figure", "bound", ""), rows)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator["Progress"]:
    """Progress bars on stderr; none where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bars:
        yield bars


def _shown(text: str) -> str:
    """A text as a terminal may get it: prompts and names come from outside, and must not give it orders."""
    return "\n".join(printable(line) for line in text.split("\n"))
