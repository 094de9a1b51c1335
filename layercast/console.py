"""Console output: reports on stdout; progress and notes on stderr."""

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast.logs import printable
from layercast_common.errors import StorageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from evaluation.thresholds import Threshold

#: Columns of a table that is written to a pipe or a file.
PIPE_WIDTH = 200


#: Version of the reports' schema, docs/report.schema.json. Names may be added within a version.
REPORT_SCHEMA = 1


def prepare_streams() -> None:
    """Make the standard streams usable, however this process was started.

    A closed one is replaced by the null device: otherwise the next file that is opened would take its descriptor, and
    libraries would write into it. What the encoding of the terminal lacks is written as an escape sequence.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
        elif mode == "w" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def flush_streams() -> None:
    """Write out what stdout holds back.

    Raises:
        BrokenPipeError: the reader of stdout has closed it.
        StorageError: stdout cannot be written, such as a file on a full disk.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would try again at exit, and report it a second time.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        raise StorageError.of(error, "stdout", "cannot be written") from error


def report(figures: dict[str, Any]) -> None:
    """Write one JSON object to stdout, in ASCII: file names may not be valid in the terminal's encoding.

    Raises:
        BrokenPipeError: the reader of stdout has closed it.
    """
    sys.stdout.write(json.dumps({"schema": REPORT_SCHEMA} | figures) + "\n")
    flush_streams()


def say(text: str, *, quiet: bool = False) -> None:
    """Write a line for a person to stderr."""
    if not quiet:
        sys.stderr.write(_escape_controls(text) + "\n")
        sys.stderr.flush()


def show_line(text: str) -> None:
    """Write a line for a person to stdout."""
    sys.stdout.write(_escape_controls(text) + "\n")


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to stdout. The first column is aligned left, the others right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        # As Text, since rich would read markup in prompts and file names.
        table.add_row(*(Text(printable(cell)) for cell in row))
    # In a pipe there is no width, and cells cut at rich's default would be lost.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def show_thresholds(thresholds: "Sequence[Threshold]") -> None:
    """Write each threshold with the measured figure, and whether it is met."""
    rows = [
        (
            threshold.what,
            f"{threshold.figure:.3f}",
            f"{'>=' if threshold.at_least else '<='} {threshold.bound:g}",
            "met" if threshold.met else "missed",
        )
        for threshold in thresholds
    ]
    show_table(("threshold", "figure", "bound", ""), rows)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator["Progress"]:
    """Show progress bars on stderr within the block; none if stderr is not a terminal."""
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


def _escape_controls(text: str) -> str:
    """Return a text without control sequences, which prompts and names from outside may contain."""
    return "\n".join(printable(line) for line in text.split("\n"))
