"""The house: who may know whom, what an import costs, and that what is promised is there."""

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import layercast_common.errors

ROOT = Path(__file__).parents[2]

#: Every package, and the packages that it may import besides itself and the common ground floor.
ROOMS: dict[str, set[str]] = {
    "layercast_common": set(),
    "codec": set(),
    "protocol": set(),
    "sender": {"codec", "protocol"},
    "receiver": {"codec", "protocol"},
    "evaluation": {"codec", "protocol", "sender", "receiver"},
    "layercast": {"codec", "protocol", "sender", "receiver", "evaluation"},
    "training": {"codec", "protocol", "sender", "receiver", "evaluation"},
}

#: The packages that are installed; training is not.
INSTALLED = [room for room in ROOMS if room != "training"]

#: What takes seconds to import.
HEAVY = ("torch", "diffusers", "transformers", "ray")

#: Folders and modules of `receiver/rendering` that may import it at their top; all others load without it.
HEAVY_PLACES = (
    *("models", "restoration", "sampling", "output", "backends", "loader", "cluster.replica"),
    "engine.jobs",
)


def is_heavy(module: str) -> bool:
    place = module.removeprefix("receiver.rendering.")
    return place != module and any(f"{place}.".startswith(f"{heavy}.") for heavy in HEAVY_PLACES)


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, package: str) -> Iterator[str]:
    """The full name of every module that a source in a package imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, level=level):
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                yield ".".join([*above, *([module] if module else [])])
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def imports_in(path: Path) -> list[str]:
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    return list(imports_of(path.read_text(encoding="utf-8"), package))


def test_imports_are_seen_wherever_they_stand() -> None:
    source = """
from ... import sender
from ..analysis import x
from . import y
from .z import z
def f():
    import receiver.session as session
    importlib.import_module("evaluation.codec")
if TYPE_CHECKING:
    from training.data import d
"""
    seen = [
        "",
        "codec.analysis",
        "codec.coders",
        "codec.coders.z",
        "receiver.session",
        "evaluation.codec",
        "training.data",
    ]
    assert sorted(imports_of(source, "codec.coders")) == sorted(seen)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room: str) -> None:
    assert sources(room)
    foreign = set(ROOMS) - ROOMS[room] - {room, "layercast_common"}
    wrong = [(str(path), name) for path in sources(room) for name in imports_in(path) if name.split(".")[0] in foreign]
    assert not wrong


def loaded_after(statement: str) -> set[str]:
    """What is loaded in a fresh interpreter once a statement ran."""
    code = f"import json, sys\n{statement}\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_any_light_module_loads_nothing_heavy() -> None:
    modules = {module_name(path) for room in INSTALLED for path in sources(room)} - {"layercast.__main__"}
    light = sorted(module for module in modules if not is_heavy(module))
    loaded = loaded_after(f"import {', '.join(light)}")
    assert not loaded & set(HEAVY)


def test_help_loads_next_to_nothing() -> None:
    loaded = loaded_after("from layercast.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass")
    assert not loaded & {*HEAVY, "numpy", "PIL", "rich", "numba", "cv2", "asyncio", "msgspec"}


def test_the_page_of_the_demo_is_served_without_coders_and_numpy() -> None:
    modules = (
        "layercast.commands.services.demonstration.page",
        "receiver.viewer.app",
        "layercast_common.http.protocol",
    )
    loaded = loaded_after(f"import {', '.join(modules)}")
    assert not loaded & {*HEAVY, "numpy", "numba", "cv2", "codec.layers", "protocol.driver", "receiver.archive.library"}


@pytest.mark.parametrize("room", INSTALLED)
def test_the_rooms_are_those_of_this_checkout(room: str) -> None:
    assert Path(str(importlib.import_module(room).__file__)) == ROOT / room / "__init__.py"
    assert (ROOT / room / "py.typed").is_file()


@pytest.mark.parametrize("path", [path for room in INSTALLED for path in sources(room)], ids=module_name)
def test_what_a_module_promises_is_sorted_and_there(path: Path) -> None:
    if "__all__" not in path.read_text(encoding="utf-8"):
        return
    module = importlib.import_module(module_name(path))
    assert module.__all__ == sorted(set(module.__all__), key=_isort_key)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def _isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as the linter sorts them."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def test_every_error_is_exported_and_drawn_where_it_stands_in_the_tree() -> None:
    classes = {
        name: kind
        for name, kind in vars(layercast_common.errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert layercast_common.errors.__all__ == sorted(classes)
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in str(layercast_common.errors.__doc__).splitlines():
        if match := re.match(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+Error)\b", line):
            depth = len(match["indent"]) // 4
            above[depth:] = [match["name"]]
            drawn[match["name"]] = above[depth - 1] if depth else "Exception"
    parents = {name: kind.__bases__[0].__name__ for name, kind in classes.items()}
    assert drawn == parents


@pytest.mark.parametrize("name", layercast_common.errors.__all__)
def test_every_error_says_what_it_is_for(name: str) -> None:
    assert getattr(layercast_common.errors, name).__doc__
