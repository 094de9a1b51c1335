"""The manual of faults names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs/faults.md").read_text(encoding="utf-8"))


def test_every_row_names_a_test() -> None:
    rows = [line for line in (ROOT / "docs/faults.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    described = [row for row in rows if not row.startswith(("| fault", "|---"))]
    assert len(described) >= 20
    assert all("::test_" in row for row in described)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_exists(file: str, name: str) -> None:
    assert any(f"def {name}(" in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file))
