"""`docs/models.md` says what the registry and the table of schedulers say."""

import re
from pathlib import Path

from receiver.rendering.model_files.recognition import DISTILLED
from receiver.rendering.model_files.registry import REGISTRY
from receiver.rendering.models.scheduler_choice import DRIVERS
from receiver.rendering.settings.settings import Condition

PAGE = (Path(__file__).parents[4] / "docs" / "models.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    below = PAGE.partition(f"## {heading}")[2]
    lines = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert lines is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()[2:]]


def test_the_table_of_models_is_that_of_the_registry() -> None:
    expected = []
    for name, entry in REGISTRY.items():
        settings = entry.settings
        assert settings is not None
        follows = [condition.value for condition in Condition if condition in {*entry.adapters, *entry.controlnets}]
        # The embedded model and the union ControlNet take more than their entries name.
        follows = {"mini": ["edges", "colors"], "z-image": ["edges", "skeleton"]}.get(name, follows)
        numbers = [str(settings.native), str(settings.steps), f"{settings.guidance:g}", settings.solver]
        expected.append([f"`{name}`", *numbers, ", ".join(follows) or "none", entry.licence])
    assert [[*row[:6], row[7]] for row in rows("Registered models")] == expected


def test_the_table_of_schedulers_names_each_that_is_supported() -> None:
    named = [name for row in rows("Schedulers") for name in re.findall(r"`(\w+Scheduler)`", row[0])]
    assert sorted(named) == sorted(DRIVERS)
    by_dpm = [row for row in rows("Schedulers") if "on the same noise schedule" in row[1]]
    listed = re.findall(r"`(\w+)`", by_dpm[0][0])
    assert sorted(listed) == sorted(name for name, driver in DRIVERS.items() if driver == "dpm++")


def test_the_words_of_distilled_models_are_listed() -> None:
    (row,) = [row for row in rows("Bring a model") + _signs() if "as a word of the name" in row[0]]
    assert set(re.findall(r"\w+", row[0].partition(" as a word")[0])) - {"or"} == set(DISTILLED)


def _signs() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| turbo")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
