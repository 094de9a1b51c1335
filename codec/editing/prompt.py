"""Edits of the words."""

import re

from codec.container.bitstream import Bitstream, Coder, Section
from codec.editing.sections import check_complete, replace_layer
from codec.layers import Layer, Semantic
from layercast_common.errors import UsageError


def replace_prompt(stream: Bitstream, text: str) -> Bitstream:
    """The stream with another prompt.

    Args:
        stream: the stream.
        text: all of the new prompt.

    Raises:
        UsageError: the text is too long or holds half a character, or bytes of the stream are missing.
    """
    from codec.coders.text.payload import encode_text

    check_complete(stream)
    if _prompt(stream) == text:
        return stream
    return replace_layer(stream, Layer.SEMANTIC, [Section(Layer.SEMANTIC, Coder.TEXT, encode_text(Semantic(text)))])


def substitute_prompt(stream: Bitstream, old: str, new: str) -> Bitstream:
    """The stream with a phrase of its prompt exchanged for another, wherever it stands.

    Whole words are looked for first, then the phrase within words (as scripts without spaces need). Upper and lower
    case do not matter.

    Args:
        stream: the stream.
        old: the phrase.
        new: what to put there; nothing takes the phrase out.

    Raises:
        UsageError: no such phrase, or as `replace_prompt`.
    """
    check_complete(stream)
    prompt = _prompt(stream)
    if prompt is None:
        raise UsageError("the stream has no prompt to substitute in; give a whole one")
    if not old.strip():
        raise UsageError("the phrase to substitute is empty")
    escaped = re.escape(old)
    for pattern in (rf"(?<!\w){escaped}(?!\w)", escaped):
        changed, count = re.subn(pattern, lambda _: new, prompt, flags=re.IGNORECASE)
        if count:
            return replace_prompt(stream, changed if new.strip() else _tidy(changed))
    raise UsageError(f"the prompt does not say {old!r}; it says {prompt!r}")


def _prompt(stream: Bitstream) -> str | None:
    semantic = stream.decode().semantic
    return None if semantic is None else semantic.prompt


def _tidy(text: str) -> str:
    """Close the gap that a phrase left: no two spaces, no clause without words."""
    text = re.sub(r"\s+(?=[,.;])", "", re.sub(r"[ \t]{2,}", " ", text))
    return re.sub(r"([,;])(?:\s*[,;])+", r"\1", text).strip(" ,;")
