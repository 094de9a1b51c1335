"""Reads scenarios from TOML files. Unknown keys are errors that list the known ones."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from evaluation.simulation.links.profiles import named_link
from evaluation.simulation.scenario.link_tables import link_of
from evaluation.simulation.scenario.model import Grid, Measures, Rendering, Rivals, Scenario, Workload
from layercast_common.errors import StorageError, UsageError
from layercast_common.nested_text import parse_toml

#: Suffixes of pictures in a folder.
SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")

#: The largest scenario file, in bytes.
MAX_FILE = 1024 * 1024

_Config = TypeVar("_Config")

_KEYS = ("name", "images", "count", "link", "links", "workload", "rivals", "render", "measure", "grid")


def find_images(folder: Path, count: int) -> tuple[Path, ...]:
    """Return up to `count` pictures of a folder, evenly spread over its names in order; a file is itself.

    Raises:
        StorageError: the folder cannot be read.
        UsageError: there is no picture.
    """
    if folder.is_file():
        return (folder,)
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise StorageError.of(error, folder) from error
    if not paths or count < 1:
        raise UsageError(f"no picture in {folder}; use a folder with {', '.join(SUFFIXES)} files")
    return tuple(paths[:: max(1, len(paths) // count)][:count])


def load_scenario(path: Path) -> Scenario:
    """Read a scenario. Paths in it are relative to its file.

    Raises:
        StorageError: a file cannot be read.
        UsageError: the file is no scenario; the text names the file and the key.
    """
    try:
        if path.stat().st_size > MAX_FILE:
            raise UsageError(f"{path} is too large for a scenario")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError.of(error, path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text file") from error
    try:
        return parse_scenario(parse_toml(text), path.parent, name=path.stem)
    except (ValueError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error


def parse_scenario(table: Mapping[str, Any], base: Path, *, name: str) -> Scenario:
    """Build a scenario from a TOML table.

    Args:
        table: the table.
        base: the folder that paths are relative to.
        name: the scenario's name, if the table has none.

    Raises:
        UsageError: a key or value is wrong.
        StorageError: the pictures or a trace cannot be read.
    """
    _check_keys("the scenario", table, _KEYS)
    if "images" not in table:
        raise UsageError('a scenario needs images = "FOLDER"')
    count = _value("count", int, table.get("count", 8))
    folder = base / _value("images", str, table["images"])
    links = [named_link(one) for one in _value("link", tuple[str, ...], table.get("link", ()))]
    tables = _table("links", table.get("links", {}))
    links += [link_of(key, _table(f"links.{key}", value), base) for key, value in tables.items()]
    render = table.get("render", "none")
    measure = dict(_table("measure", table.get("measure", {})))
    bounds = measure.pop("recognisable", None)
    measures = _config(Measures, "measure", measure)
    if bounds is not None:
        pairs = _table("measure.recognisable", bounds).items()
        limits = tuple((key, _value(f"measure.recognisable.{key}", float, value)) for key, value in pairs)
        measures = dataclasses.replace(measures, recognisable=limits)
    grid = dict(_table("grid", table.get("grid", {})))
    if isinstance(grid.get("seeds"), int):
        grid["seeds"] = tuple(range(grid["seeds"]))
    return Scenario(
        name=_value("name", str, table.get("name", name)),
        images=find_images(folder, count),
        links=tuple(links),
        workload=_config(Workload, "workload", table.get("workload", {})),
        rivals=_config(Rivals, "rivals", table.get("rivals", {})),
        rendering=Rendering.parse(render) if isinstance(render, str) else _config(Rendering, "render", render),
        measures=measures,
        grid=_config(Grid, "grid", grid),
    )


def _config(kind: type[_Config], where: str, table: Any) -> _Config:
    table = _table(where, table)
    hints = typing.get_type_hints(kind)
    _check_keys(f"[{where}]", table, tuple(hints))
    values = {key: _value(f"{where}.{key}", hints[key], value) for key, value in table.items()}
    try:
        return kind(**values)
    except UsageError as error:
        raise UsageError(f"[{where}]: {error}") from error


def _check_keys(where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{where} has no key '{key}'; there are {', '.join(known)}")


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"[{where}] is a table")
    return value


def _value(where: str, kind: Any, value: Any) -> Any:
    """Convert a TOML value to the type of a field.

    Raises:
        UsageError: it has another type.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return _value(where, next(one for one in arguments if one is not types.NoneType), value)
    if origin is tuple:
        many = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        if arguments[-1] is not Ellipsis and len(many) != len(arguments):
            raise UsageError(f"{where} has {len(arguments)} values")
        return tuple(_value(where, arguments[0], one) for one in many)
    right = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not right or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{where} is a {kind.__name__}, not {value!r}")
    return kind(value)
