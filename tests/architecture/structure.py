"""Measure the structure of the packages: folders, imports, circles, sizes, names.

python -m tests.architecture.structure                    # this checkout
python -m tests.architecture.structure --against v0.1.0   # beside another revision

Imports are read from the syntax tree wherever they stand: at a module's top, in functions, and under TYPE_CHECKING.
"""

import argparse
import ast
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Limits that `test_structure.py` holds.
MAX_FOLDER, MAX_LINES, MAX_PARAMETERS = 12, 250, 8

#: What is not a package of the product.
_OTHER = {"tests", "docs", "docker", "scripts", "build", "dist"}


@dataclass(frozen=True, slots=True)
class Module:
    """One module, as its source says.

    Attributes:
        name: dotted name; a package's `__init__` has the package's name.
        path: of its file.
        tree: its syntax tree.
        lines: how many lines it has.
    """

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @property
    def folder(self) -> str:
        """The dotted name of the folder that it lies in."""
        return self.package


def read_modules(root: Path) -> dict[str, Module]:
    """Read every module of the product below a checkout's root, by name."""
    modules = {}
    # Not a walk over everything: a virtual environment has tens of thousands of files.
    folders = [path for path in root.iterdir() if path.name not in _OTHER and not path.name.startswith(".")]
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        source = path.read_text(encoding="utf-8")
        modules[name] = Module(name, path, ast.parse(source), source.count("\n"))
    return modules


def imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the full name of everything that a tree imports: `from a.b import c` gives "a.b.c"."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, level=level, names=names):
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*above, *([module] if module else [])])
                yield from (f"{base}.{name.name}" if base else name.name for name in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def arrows(modules: Mapping[str, Module]) -> set[tuple[str, str]]:
    """Return which module imports which, as pairs of names. A package's `__init__` counts as the package."""
    found = set()
    for module in modules.values():
        for name in imported_names(module.tree, module.package):
            target = name
            while target and target not in modules:
                target = target.rpartition(".")[0]
            if target and target != module.name:
                found.add((module.name, target))
    return found


def circles(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the groups of nodes that reach each other along arrows (Tarjan's strongly connected components)."""
    graph: dict[str, set[str]] = defaultdict(set)
    for start, end in pairs:
        graph[start].add(end)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for follower in sorted(graph[node]):
            if follower not in index:
                visit(follower)
                low[node] = min(low[node], low[follower])
            elif follower in stack:
                low[node] = min(low[node], index[follower])
        if low[node] == index[node]:
            place = stack.index(node)
            group = sorted(stack[place:])
            del stack[place:]
            if len(group) > 1:
                found.append(group)

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def folder_arrows(modules: Mapping[str, Module]) -> set[tuple[str, str]]:
    """Return which folder imports from which.

    A folder that has folders below it is no unit: its own modules stand for themselves. A package's `__init__` is left
    out, since it may offer names of any folder below it.
    """
    inner = {name: module for name, module in modules.items() if module.path.name != "__init__.py"}
    parents = {module.folder.rpartition(".")[0] for module in inner.values()}

    def unit(name: str) -> str:
        return name if inner[name].folder in parents else inner[name].folder

    pairs = {(unit(start), unit(end)) for start, end in arrows(modules) if start in inner and end in inner}
    return {(start, end) for start, end in pairs if start != end}


def wide_functions(module: Module) -> list[str]:
    """Return the functions with too many parameters, `self` and `cls` not counted; compiled kernels are excepted."""
    found = []
    owners = {
        method: f"{node.name}."
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for method in node.body
    }
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any("compiled" in ast.unparse(mark) or "njit" in ast.unparse(mark) for mark in node.decorator_list):
            continue
        names = [given.arg for given in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        if len([name for name in names if name not in ("self", "cls")]) > MAX_PARAMETERS:
            found.append(f"{module.name}.{owners.get(node, '')}{node.name}")
    return found


def public_classes(module: Module) -> list[str]:
    """Return the public classes that a module defines at its top."""
    return [node.name for node in module.tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of one checkout.

    Attributes:
        folders: folders with modules in them.
        largest_folder: most modules in one folder, `__init__` not counted.
        full_folders: folders with more than `MAX_FOLDER`.
        modules: modules in all.
        arrows: imports between modules inside each package.
        folder_arrows: imports between folders inside each package.
        circles: groups of modules that import each other.
        folder_circles: groups of folders that do.
        long_modules: modules of more than `MAX_LINES` lines.
        wide_functions: functions of more than `MAX_PARAMETERS` parameters.
        repeated_classes: names that two public classes have.
    """

    folders: int
    largest_folder: int
    full_folders: list[str]
    modules: int
    arrows: dict[str, int]
    folder_arrows: dict[str, int]
    circles: list[list[str]]
    folder_circles: list[list[str]]
    long_modules: list[str]
    wide_functions: list[str]
    repeated_classes: list[str]


def measure(root: Path) -> Figures:
    """Measure a checkout."""
    modules = read_modules(root)
    sizes = Counter(module.folder for module in modules.values() if module.path.name != "__init__.py")
    pairs, between = arrows(modules), folder_arrows(modules)
    classes = Counter(name for module in modules.values() for name in public_classes(module))

    def inside(found: set[tuple[str, str]]) -> dict[str, int]:
        counts = Counter(start.split(".")[0] for start, end in found if start.split(".")[0] == end.split(".")[0])
        return dict(sorted(counts.items()))

    return Figures(
        folders=len(sizes),
        largest_folder=max(sizes.values()),
        full_folders=sorted(f"{folder} ({count})" for folder, count in sizes.items() if count > MAX_FOLDER),
        modules=len(modules),
        arrows=inside(pairs),
        folder_arrows=inside(between),
        circles=circles(pairs),
        folder_circles=circles(between),
        long_modules=sorted(
            f"{module.name} ({module.lines})" for module in modules.values() if module.lines > MAX_LINES
        ),
        wide_functions=sorted(name for module in modules.values() for name in wide_functions(module)),
        repeated_classes=sorted(name for name, count in classes.items() if count > 1),
    )


def measure_revision(revision: str) -> Figures:
    """Measure a revision of this repository, unpacked to a temporary folder.

    Raises:
        subprocess.CalledProcessError: git does not know the revision.
    """
    command = ["git", "archive", revision, "--", ":(glob)**/*.py"]
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
        return measure(Path(folder))


def _row(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{key} {count}" for key, count in value.items())
        case list():
            return f"{len(value)}" + (f": {', '.join(map(str, value))}" if value else "")
        case _:
            return str(value)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="REVISION", help="measure this revision as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    figures = {"now": measure(ROOT)}
    if options.against:
        figures = {options.against: measure_revision(options.against), **figures}
    rows = {name: asdict(figure) for name, figure in figures.items()}
    if options.json:
        json.dump(rows, sys.stdout, indent=2)
        return
    for field in next(iter(rows.values())):
        for name, row in rows.items():
            sys.stdout.write(f"{field.replace('_', ' '):18} {name:10} {_row(row[field])}\n")


if __name__ == "__main__":
    main()
