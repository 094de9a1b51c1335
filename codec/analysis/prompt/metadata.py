"""Extract a generator's prompt from the metadata of its picture, whatever carries it.

`docs/prompts.md` lists the carriers (PNG chunks, EXIF, XMP, comments, hidden texts) and the generators.
"""

from codec.analysis.prompt.generators import READERS
from codec.analysis.prompt.markup import strip_markup
from codec.analysis.prompt.records import read_records
from codec.analysis.prompt.text_bounds import FoundPrompt, clean_text
from codec.image_metadata import Metadata


def read_prompt(metadata: Metadata, *, keep_weights: bool = False) -> FoundPrompt | None:
    """Return the prompt that a generator stored in its picture, or None. No metadata makes this raise.

    Args:
        metadata: the picture's.
        keep_weights: leave weights such as `(a fox:1.3)` in the prompt.
    """
    records = read_records(metadata)
    for source, read in READERS:
        for record in records:
            text = clean_text(strip_markup(read(record) or "", source, keep_weights=keep_weights))
            if text:
                return FoundPrompt(text, source)
    return None
