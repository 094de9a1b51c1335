"""What `docs/architecture.md` promises of the structure: order of folders, sizes, names, words."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.structure import (
    MAX_FOLDER,
    MAX_LINES,
    ROOT,
    Module,
    arrows,
    circles,
    folder_arrows,
    public_classes,
    read_modules,
    wide_functions,
)


@cache
def modules() -> dict[str, Module]:
    return read_modules(ROOT)


#: Folders and modules of a package from the lowest up; each may import from those before it, and nothing behind it.
ORDER = {
    "codec": (
        "compiled reading",
        "wavelet",
        "layers color_difference",
        "structure",
        "coders",
        "container",
        "analysis",
        "encoder",
        "editing",
    ),
    "protocol": ("wire", "connection recovery", "sending receiving", "driver"),
    "receiver.rendering": (
        "settings",
        "model_files",
        "restoration",
        "models",
        "sampling output",
        "backends",
        "loader",
        "engine",
        "selftest",
    ),
}

#: Words that technical English does not need, in docstrings, comments, messages and documents.
BANNED = re.compile(r"\b(nobody|whoever|whomever|tells?|told|telling|courier|shelf|wishes|farewell)\b", re.IGNORECASE)


def test_no_module_and_no_folder_imports_in_a_circle() -> None:
    assert circles(arrows(modules())) == []
    assert circles(folder_arrows(modules())) == []


@pytest.mark.parametrize("package", ORDER)
def test_folders_import_downwards(package: str) -> None:
    ranks = {unit: rank for rank, units in enumerate(ORDER[package]) for unit in units.split()}

    def rank(name: str) -> int | None:
        return ranks.get(name.removeprefix(f"{package}.").split(".")[0]) if name.startswith(f"{package}.") else None

    def is_upward(start: str, end: str) -> bool:
        below, above = rank(start), rank(end)
        return below is not None and above is not None and below < above

    assert sorted(pair for pair in arrows(modules()) if is_upward(*pair)) == []


def test_folders_are_small() -> None:
    sizes = Counter(module.folder for module in modules().values() if module.path.name != "__init__.py")
    assert {folder: count for folder, count in sizes.items() if count > MAX_FOLDER} == {}


def test_modules_are_short() -> None:
    assert {name: module.lines for name, module in modules().items() if module.lines > MAX_LINES} == {}


def test_functions_take_few_parameters() -> None:
    assert [name for module in modules().values() for name in wide_functions(module)] == []


def test_no_two_public_classes_share_a_name() -> None:
    counts = Counter(name for module in modules().values() for name in public_classes(module))
    assert [name for name, count in counts.items() if count > 1] == []


def _raised(handler: ast.ExceptHandler) -> Iterator[str]:
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield ast.unparse(node.exc.func)


def test_an_operating_system_error_is_never_a_usage_error() -> None:
    wrong = [
        f"{module.path.relative_to(ROOT)}:{node.lineno}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and node.type is not None
        and "OSError" in ast.unparse(node.type)
        and "UsageError" in _raised(node)
    ]
    assert wrong == []


def _opens_any_format(node: ast.Call) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="Image"), attr="open"), keywords=keywords):
            return "formats" not in {keyword.arg for keyword in keywords}
    return False


def test_every_picture_is_opened_as_one_of_listed_formats() -> None:
    wrong = [
        f"{module.path.relative_to(ROOT)}:{node.lineno}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _opens_any_format(node)
    ]
    assert wrong == []


def _texts(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the docstrings, string constants and comments of a module, with their lines."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for number, line in enumerate(module.path.read_text(encoding="utf-8").splitlines(), 1):
        if match := re.search(r"(?:^|\s)#:? (.*)", line):
            yield number, match[1]


@pytest.mark.parametrize("package", ["codec", "protocol", "sender", "receiver", "evaluation", "training", "layercast"])
def test_texts_are_plain_english(package: str) -> None:
    found = [
        f"{module.path.relative_to(ROOT)}:{line}: {match[0]}"
        for name, module in modules().items()
        if name.split(".")[0].removesuffix("_common") == package
        for line, text in _texts(module)
        if (match := BANNED.search(text))
    ]
    assert found == []


def _documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", _documents(), ids=lambda path: path.name)
def test_documents_are_plain_english(path: Path) -> None:
    # Names in code, such as those of older versions in the changelog, are not English.
    text = re.sub(r"`[^`\n]*`", "", path.read_text(encoding="utf-8"))
    lines = enumerate(text.splitlines(), 1)
    assert [f"{number}: {match[0]}" for number, line in lines if (match := BANNED.search(line))] == []


def test_circles_are_found() -> None:
    pairs = {("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "f"), ("f", "e")}
    assert circles(pairs) == [["a", "b", "c"], ["e", "f"]]
