"""Every command in the environments that people run it in: an exit code, a line of text, and never a traceback.

One process per environment runs all commands one after the other. None of them gets as far as a model, so none may wait
for the libraries of one.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from layercast.cli import build_parser
from tests.support.pictures import draw_picture

ROOT = Path(__file__).parents[2]

#: A prompt that ASCII lacks.
PROMPT = "\u53e4\u3044\u706f\u53f0 at dusk"

#: Each command line with its exit code; the work that each needs a model or a peer for ends in a clear error.
CASES: list[tuple[str, int]] = [
    ("encode in/house.png -o out/ --captioner none --prompt PROMPT", 0),
    ("encode in/house.png -o out/json.lcast --captioner none --prompt PROMPT --json", 0),
    ("info out/house.lcast", 0),
    ("info out/house.lcast --json", 0),
    ("edit out/house.lcast -o out/edited.lcast --prompt PROMPT", 0),
    ("decode missing.lcast -o out/", 1),
    ("send in/house.png --to ws://127.0.0.1:1 --captioner none --prompt PROMPT", 1),
    ("watch missing/ --to ws://127.0.0.1:1", 1),
    ("outbox missing.outbox", 1),
    ("receive --listen ws://192.0.2.1:1 --viewer none --model none", 1),
    ("models list", 0),
    ("models list --json", 0),
    ("demo --headless", 2),
    ("bench", 2),
    ("evaluate --images missing/ -o out/evaluation", 1),
    ("simulate --images missing/ -o out/simulation", 1),
    ("replay missing.lcast", 1),
]

_PROGRAM = """
import json, os, sys
from layercast.cli import main

broken = sys.argv[3] == "pipe"
codes = []
for line in json.loads(sys.argv[1]):
    if broken:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
        os.close(writer)
        sys.stdout = open(1, "w", closefd=False)
    try:
        codes.append(main(line))
    except SystemExit as exit:
        codes.append(exit.code)
    except BaseException as error:
        codes.append(repr(error))
with open(sys.argv[2], "w") as file:
    json.dump([codes, sorted({"torch", "diffusers", "transformers"} & set(sys.modules))], file)
if broken:
    os._exit(0)
"""

#: Environment variables, and the standard streams that are closed.
ENVIRONMENTS: dict[str, tuple[dict[str, str | None], tuple[int, ...]]] = {
    "ascii": ({"HOME": None, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, ()),
    "closed": ({"HOME": "/proc/no home", "XDG_CACHE_HOME": "/proc/no cache", "LC_ALL": "C"}, (0, 1, 2)),
    "pipe": ({}, ()),
}


class Outcome(NamedTuple):
    """An environment, the commands' exit codes, the heavy libraries that they loaded, and what went to stderr."""

    name: str
    codes: list[Any]
    heavy: list[str]
    errors: str


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run all commands in one environment."""
    name: str = request.param
    changes, closed = ENVIRONMENTS[name]
    folder = tmp_path_factory.mktemp(name)
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    Image.fromarray(draw_picture(64, 64)).save(folder / "in" / "house.png")
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | {key: value for key, value in changes.items() if value}
    for key in (key for key, value in changes.items() if value is None):
        environment.pop(key, None)
    lines = [[PROMPT if word == "PROMPT" else word for word in case.split()] for case, _ in CASES]

    def close_streams() -> None:
        for number in closed:
            os.close(number)

    results, errors = folder / "codes", folder / "errors"
    with errors.open("wb") as stderr:
        subprocess.run(
            [sys.executable, "-c", _PROGRAM, json.dumps(lines), str(results), name],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            preexec_fn=close_streams,
            check=False,
            timeout=600,
        )
    codes, heavy = json.loads(results.read_text())
    return Outcome(name, codes, heavy, errors.read_text(errors="replace"))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.split(" -")[0] for case, _ in CASES])
def test_every_command_ends_with_its_exit_code(outcome: Outcome, number: int) -> None:
    # A closed pipe is an error only of commands that had something to write.
    allowed = {CASES[number][1]} | ({1} if outcome.name == "pipe" else set())
    assert outcome.codes[number] in allowed


def test_no_traceback_and_no_complaint_at_exit(outcome: Outcome) -> None:
    assert "Traceback" not in outcome.errors
    assert "Exception ignored" not in outcome.errors


def test_what_needs_no_model_loads_no_library_of_one(outcome: Outcome) -> None:
    assert outcome.heavy == []


def test_every_command_is_tried() -> None:
    (commands,) = (
        action.choices for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    assert set(commands) == {case.split()[0] for case, _ in CASES}
