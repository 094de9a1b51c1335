"""Every generator's prompt is found in every carrier; the test writes each file itself."""

from pathlib import Path

import pytest

from codec.analysis.prompt.metadata import read_prompt
from codec.analysis.prompt.text_bounds import FoundPrompt, PromptSource
from codec.image_io import load_picture
from tests.support.carriers import CARRIERS, WRITERS

DOCUMENT = Path(__file__).parents[4] / "docs" / "prompts.md"


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_prompt_is_found(carrier: str, writer: str) -> None:
    case = WRITERS[writer]
    metadata = load_picture(CARRIERS[carrier](case.written)).metadata
    assert read_prompt(metadata) == FoundPrompt(case.prompt, PromptSource(case.source))


def test_the_document_lists_these_carriers_and_generators() -> None:
    rows = [line.split("|") for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    names = {row[1].strip() for row in rows}
    assert set(WRITERS) <= names
    assert set(CARRIERS) <= {carrier.strip() for row in rows for carrier in row[1].split(";")}
