"""`docs/errors.md` has the tree of errors, and a row for each."""

import re
from pathlib import Path

import layercast_common.errors

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")


def tree_of(text: str) -> list[str]:
    """Return the lines of a drawn tree, without the descriptions beside the names."""
    return re.findall(r"^ *((?:[│├└][│├└─ ]*)?[A-Z]\w+Error)\b", text, re.MULTILINE)


def test_the_tree_is_that_of_the_module() -> None:
    (drawn,) = re.findall(r"^    LayercastError\n(?:^    .*\n)+", PAGE, re.MULTILINE)
    lines = tree_of(drawn)
    assert lines == tree_of(str(layercast_common.errors.__doc__))
    assert sorted(line.split()[-1] for line in lines) == layercast_common.errors.__all__


def test_every_error_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE)
    assert sorted(name for name, _ in rows) == layercast_common.errors.__all__
    for name, row in rows:
        assert len(row.split("|")) == 3, name
