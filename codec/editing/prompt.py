"""Edits of the prompt."""

import re
from dataclasses import replace

from codec.container.bitstream import Bitstream, Coder, Section
from codec.editing.planes import draw_planes
from codec.editing.sections import check_complete, replace_layer
from codec.layers import Layer, Semantic
from layercast_common.errors import UsageError


def replace_prompt(stream: Bitstream, text: str) -> Bitstream:
    """Return the stream with another prompt. Bit planes are replaced by lines and colours, see `draw_planes`.

    Args:
        stream: the stream.
        text: the whole new prompt.

    Raises:
        UsageError: the text is too long or contains half a surrogate pair, or bytes of the stream are missing.
        BitstreamError: the stream does not decode.
    """
    from codec.coders.text.payload import encode_text

    check_complete(stream)
    if _prompt(stream) == text:
        return stream
    drawn = draw_planes(stream)
    # A person has written this prompt.
    drawn = replace(drawn, header=replace(drawn.header, guess=None))
    return replace_layer(drawn, Layer.SEMANTIC, [Section(Layer.SEMANTIC, Coder.TEXT, encode_text(Semantic(text)))])


def substitute_prompt(stream: Bitstream, old: str, new: str) -> Bitstream:
    """Return the stream with all occurrences of a phrase in its prompt replaced.

    Whole words match first; if none do, the phrase matches inside words (for scripts without spaces). Matching ignores
    case.

    Args:
        stream: the stream.
        old: the phrase.
        new: the replacement; an empty text removes the phrase.

    Raises:
        UsageError: the prompt does not contain the phrase; and as `replace_prompt`.
        BitstreamError: the stream does not decode.
    """
    check_complete(stream)
    prompt = _prompt(stream)
    if prompt is None:
        raise UsageError("the stream has no prompt to substitute in; set a whole prompt")
    if not old.strip():
        raise UsageError("the phrase to substitute is empty")
    escaped = re.escape(old)
    for pattern in (rf"(?<!\w){escaped}(?!\w)", escaped):
        changed, count = re.subn(pattern, lambda _: new, prompt, flags=re.IGNORECASE)
        if count:
            return replace_prompt(stream, changed if new.strip() else _tidy(changed))
    raise UsageError(f"the prompt does not contain {old!r}; it is {prompt!r}")


def _prompt(stream: Bitstream) -> str | None:
    semantic = stream.decode().semantic
    return None if semantic is None else semantic.prompt


def _tidy(text: str) -> str:
    """Close the gap of a removed phrase: no double spaces, no empty clauses."""
    text = re.sub(r"\s+(?=[,.;])", "", re.sub(r"[ \t]{2,}", " ", text))
    return re.sub(r"([,;])(?:\s*[,;])+", r"\1", text).strip(" ,;")
