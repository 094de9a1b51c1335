"""The screenshots of the documents are those that the script makes."""

import re
from pathlib import Path

from tests.architecture.screenshots import ARRIVALS, FOLDER, SHOTS

GALLERY = (Path(__file__).parents[2] / "docs" / "gallery.md").read_text(encoding="utf-8")

#: The most bytes of one picture.
MAX_BYTES = 120_000


def test_the_gallery_shows_what_the_script_makes() -> None:
    made = {f"{name}.webp" for name, _, _ in SHOTS} | {f"arrival-{Path(name).stem}.webp" for name in ARRIVALS}
    shown = set(re.findall(r"\(images/(\S+?)\)", GALLERY))
    assert shown == made | {"arrival.webp"}
    assert {name: (FOLDER / name).stat().st_size for name in made if (FOLDER / name).stat().st_size > MAX_BYTES} == {}
