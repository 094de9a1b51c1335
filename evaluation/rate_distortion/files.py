"""The result files: everything as JSON, and a table row for each picture as CSV."""

import csv
import io
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from evaluation.rate_distortion.points import FigureValue, Point
from evaluation.rate_distortion.summary import Mean, means_of
from layercast_common.errors import StorageError, UsageError
from layercast_common.files import make_folder, save_whole

#: Names of the files.
RESULTS, PER_PICTURE, SUMMARY = "results.json", "per-picture.csv", "summary.csv"

#: Version of `results.json`.
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results of a run, as in `results.json`.

    Attributes:
        command: the command line.
        version: version of layercast.
        machine: processor, cores and Python of the machine that measured.
        pictures: names of the pictures.
        budgets: most bytes of files, ascending.
        figures: names of the figures.
        contenders: how each contender encodes, by name, in order.
        left_out: why a figure or a contender is missing, by name.
        protocol: the protocol of the field and its part that was measured; empty for none.
        points: the points.
        means: the means over the pictures.
        format: version of this file.
    """

    command: str
    version: str
    machine: str
    pictures: Sequence[str]
    budgets: Sequence[int]
    figures: Sequence[str]
    contenders: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)
    protocol: str = ""
    points: Sequence[Point] = ()
    means: Sequence[Mean] = ()
    format: int = VERSION


def describe_machine() -> str:
    """Return processor, number of cores, system and Python version of this machine."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def write_results(results: Results, folder: Path) -> None:
    """Write `results.json`, `per-picture.csv` and `summary.csv`.

    Raises:
        StorageError: a file cannot be written.
    """
    make_folder(folder)
    save_whole(msgspec.json.format(msgspec.json.encode(results), indent=1), folder / RESULTS)
    save_whole(_csv(_picture_rows(results.points)), folder / PER_PICTURE)
    save_whole(_csv([asdict(mean) for mean in results.means]), folder / SUMMARY)


def read_results(path: Path) -> Results:
    """Read `results.json`, or the one in a folder.

    Raises:
        StorageError: the file cannot be read.
        UsageError: it is not a file of results, or one of another version.
    """
    file = path / RESULTS if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as error:
        raise StorageError.of(error, file) from error
    try:
        results = msgspec.json.decode(data, type=Results)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"{file} is not a {RESULTS} of layercast evaluate: {error}") from error
    if results.format != VERSION:
        raise UsageError(f"{file} has version {results.format}, not {VERSION}; measure it again")
    return results


def with_means(results: Results, points: Sequence[Point]) -> Results:
    """Return results with points and their means."""
    return replace(results, points=points, means=means_of(points))


def _picture_rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    rows = []
    for point in points:
        head = {
            "contender": point.contender,
            "picture": point.picture,
            "budget": point.budget,
            "seed": "" if point.seed is None else point.seed,
        }
        rows += [
            head | {"figure": name, **asdict(each), "recipe": _recipe(each), "bpp": point.bpp(name), "reason": ""}
            for name, each in point.figures.items()
        ]
        if not point.figures:
            rows.append(head | {"figure": "", "reason": point.reason})
    return rows


def _recipe(measured: FigureValue) -> str:
    recipe = measured.recipe
    return "" if recipe is None else f"scale {recipe.scale:.4g}, quality {recipe.quality:g}, {recipe.filter}"


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    columns = dict.fromkeys(name for row in rows for name in row)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
