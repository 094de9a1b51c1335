"""The code in the documents runs exactly as printed, and the commands in them are understood."""

import importlib.util
import json
import os
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

import layercast
from evaluation.simulation.report import plots
from layercast.cli import build_parser, main
from layercast.commands.receive import DEFAULT_ADDRESS
from layercast.samples import sample_paths

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
QUICKSTART = ROOT / "docs" / "quickstart.md"
SIMULATION = ROOT / "docs" / "simulation.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language, in the page's order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def command_lines(page: Path) -> list[str]:
    """Return the lines of bash blocks without their comments; continued lines are joined."""
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub derives them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _layercast_lines() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for line in command_lines(page):
            if line.startswith("layercast "):
                yield page, line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the picture that the documents use, away from caches and settings of this machine."""
    monkeypatch.setenv("LAYERCAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LAYERCAST_TOKEN", raising=False)
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    shutil.copy(sample_paths()[0], place / "photo.png")
    with Image.open(place / "photo.png") as picture:
        picture.convert("RGB").save(place / "photo.jpg", quality=92)
    return place


def run_script(folder: Path, source: str) -> None:
    """Run a source as a script. In this process, where torch is loaded once for all of them."""
    script = folder / "script.py"
    script.write_text(source, encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")


@contextmanager
def running_receiver(folder: Path, line: str) -> Iterator[dict[str, str]]:
    """Run a command line of `layercast receive`, on free ports, within the block, which gets its addresses."""
    free_ports = ["--listen", "ws://127.0.0.1:0", "--viewer", "127.0.0.1:0", "--json"]
    command = [sys.executable, "-m", *shlex.split(line, comments=True), *free_ports]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


@pytest.mark.parametrize(
    ("page", "line"), list(_layercast_lines()), ids=lambda value: str(getattr(value, "stem", value))
)
def test_commands_are_understood(page: Path, line: str) -> None:
    build_parser().parse_args(shlex.split(line.split(" | ")[0], comments=True)[1:])


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"], ids=lambda page: page.name)
def test_scripts_and_modules_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for script in re.findall(r"(?<![\w/.])scripts/[a-z]+", text):
        assert (ROOT / script).is_file(), script
    for module in re.findall(r"python -m ((?:evaluation|training|tests)[a-z_.]*[a-z_])", text):
        found = importlib.util.find_spec(module)
        assert found is not None, module
        if found.submodule_search_locations:
            assert importlib.util.find_spec(f"{module}.__main__") is not None, module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


def test_the_quick_start_runs_on_the_command_line(folder: Path) -> None:
    lines = [line for line in command_lines(QUICKSTART) if line.startswith("layercast ")]
    (receive,) = [line for line in lines if line.startswith("layercast receive")]
    before, after = lines[: lines.index(receive)], lines[lines.index(receive) + 1 :]
    assert after
    for line in before:
        assert main(shlex.split(line)[1:]) == 0, line
    listed = re.findall(r"^\| `(out/.*?)`", QUICKSTART.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(f"out/{path.name}" for path in (folder / "out").iterdir())
    with running_receiver(folder, receive) as addresses:
        for line in after:
            assert main(shlex.split(line.replace(DEFAULT_ADDRESS, addresses["url"]))[1:]) == 0, line
        with urllib.request.urlopen(f"{addresses['viewer']}healthz", timeout=30) as answer:
            assert answer.status == 200
    assert list((folder / "pictures").glob("*.lcast"))


def test_the_quick_start_runs_in_python(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, rendering = blocks(QUICKSTART, "python")
    run_script(folder, script)
    delivered, frames = capsys.readouterr().out.splitlines()
    assert delivered.startswith("delivered ")
    assert frames == "frames: " + ", ".join(sorted(path.name for path in (folder / "frames").iterdir()))
    assert "detail-" in frames
    layercast.encode("photo.jpg", prompt="a red fox in snow").save("photo.lcast")
    run_script(folder, rendering)


def test_the_simulation_page_runs(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # matplotlib takes most of the time of a report. Other tests draw plots of several panels.
    monkeypatch.setattr(plots, "MAX_PANELS", 1)
    pictures = folder / "pictures"
    pictures.mkdir()
    # A quarter of the picture is a quarter of the work: each rival takes dozens of encodings and comparisons.
    with Image.open(folder / "photo.jpg") as picture:
        picture.resize((256, 256)).save(pictures / "photo.jpg")
    (pictures / "photo.txt").write_text("a red fox in snow")
    for scenario in blocks(SIMULATION, "toml"):
        (folder / scenario.splitlines()[0].removeprefix("# ")).write_text(scenario)
    # Less of the same, since encoders of other formats take their time.
    less = ["--rivals", "webp", "--seeds", "1", "--processes", "1"]
    for line in command_lines(SIMULATION):
        assert main([*shlex.split(line)[1:], *less]) == 0, line
    capsys.readouterr()
    (script,) = blocks(SIMULATION, "python")
    run_script(folder, script)
    printed = capsys.readouterr().out
    assert "paper 1200 layercast" in printed.replace(".0 ", " ")
    assert (folder / "out" / "recognisable-over-rate.svg").is_file()


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in (QUICKSTART, SIMULATION) and blocks(page, "python")],
    ids=lambda page: page.stem,
)
def test_examples_run(page: Path, folder: Path) -> None:
    layercast.encode("photo.jpg", prompt="a red fox in snow").save("photo.lcast")
    for source in blocks(page, "python"):
        run_script(folder, source)
