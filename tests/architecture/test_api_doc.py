"""`docs/python-api.md` has a heading for every public name, and signatures that exist."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import layercast

PAGE = (Path(__file__).parents[2] / "docs" / "python-api.md").read_text(encoding="utf-8")
SIGNATURES = [
    line for block in re.findall(r"^```py\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
]


def resolve(path: str) -> Any:
    """Return what a dotted path names."""
    names = path.split(".")
    found: Any = importlib.import_module(names[0])
    for number, name in enumerate(names[1:], 2):
        if inspect.ismodule(found) and not hasattr(found, name):
            importlib.import_module(".".join(names[:number]))
        found = getattr(found, name)
    return found


def parameters_of(path: str) -> list[tuple[str, int, object]]:
    """Return the name, kind and default of each parameter but `self`."""
    found = [
        (parameter.name, int(parameter.kind), parameter.default)
        for parameter in inspect.signature(resolve(path)).parameters.values()
    ]
    return [parameter for parameter in found if parameter[0] != "self"]


def parameters_in(text: str) -> list[tuple[str, int, object]]:
    """Return the same of a signature in the page. A default that is not a literal is written `...`."""
    (function,) = ast.parse(f"def f{text}: ...").body
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    defaults: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults)) + [*arguments.defaults]
    kinds = inspect.Parameter
    found: list[tuple[str, int, object]] = [
        (argument.arg, int(kinds.POSITIONAL_OR_KEYWORD), _value(default))
        for argument, default in zip(arguments.args, defaults, strict=True)
    ]
    if arguments.vararg:
        found.append((arguments.vararg.arg, int(kinds.VAR_POSITIONAL), inspect.Parameter.empty))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append((argument.arg, int(kinds.KEYWORD_ONLY), _value(default)))
    if arguments.kwarg:
        found.append((arguments.kwarg.arg, int(kinds.VAR_KEYWORD), inspect.Parameter.empty))
    return found


def _value(default: ast.expr | None) -> object:
    return inspect.Parameter.empty if default is None else ast.literal_eval(default)


@pytest.mark.parametrize("name", layercast.__all__)
def test_every_public_name_has_a_heading(name: str) -> None:
    assert len(re.findall(rf"^### `{name}`$", PAGE, re.MULTILINE)) == 1


@pytest.mark.parametrize("line", SIGNATURES, ids=lambda line: line.partition("(")[0])
def test_signatures_are_those_of_the_code(line: str) -> None:
    path, _, rest = line.partition("(")
    printed, real = parameters_in(f"({rest}"), parameters_of(path)
    assert [parameter[:2] for parameter in printed] == [parameter[:2] for parameter in real]
    for (name, _, shown), (_, _, actual) in zip(printed, real, strict=True):
        has_default = actual is not inspect.Parameter.empty
        assert has_default if shown is Ellipsis else shown == actual, name


def test_every_class_and_function_has_a_signature() -> None:
    shown = {line.partition("(")[0].removeprefix("layercast.").split(".")[0] for line in SIGNATURES}
    without = {"Coder", "Layer", "LayercastError"}
    assert set(layercast.__all__) - without <= shown
