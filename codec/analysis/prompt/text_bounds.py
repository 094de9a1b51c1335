"""Prompts with their source, and the limits on text from outside."""

import enum
import json
import unicodedata
from dataclasses import dataclass

from codec.container.guess import Guess
from codec.reading.encodings import MAX_SOURCE_LENGTH

#: Longest prompt that is kept, in characters; the byte budget may shorten it further.
MAX_PROMPT_LENGTH = 4096

#: Invisible characters that reorder the text around them or mark a byte order; they are removed from prompts.
_UNWANTED = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff")


class PromptSource(enum.StrEnum):
    """The source of a prompt."""

    GIVEN = "given"
    PROMPTS = "prompts"
    SIDECAR = "sidecar"
    AUTOMATIC1111 = "automatic1111"
    COMFYUI = "comfyui"
    INVOKEAI = "invokeai"
    NOVELAI = "novelai"
    FOOOCUS = "fooocus"
    SWARMUI = "swarmui"
    EASY_DIFFUSION = "easydiffusion"
    DRAW_THINGS = "drawthings"
    CIVITAI = "civitai"
    MIDJOURNEY = "midjourney"
    DESCRIPTION = "description"
    BLIP = "blip"
    BLIP2 = "blip2"
    MINI = "mini"
    MEASURED = "measured"


#: The sources that guess.
_GUESSED = frozenset({PromptSource.BLIP, PromptSource.BLIP2, PromptSource.MINI, PromptSource.MEASURED})


@dataclass(frozen=True, slots=True)
class FoundPrompt:
    """A prompt and its source.

    Attributes:
        text: the prompt, cleaned by `clean_text`.
        source: its source.
        confidence: for a caption, the estimated probability that it is right, 0 to 1; None if it is unknown.
        notes: remarks for a person, such as on a file that could not be used.
    """

    text: str
    source: PromptSource
    confidence: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def guess(self) -> Guess | None:
        """The mark that travels with the prompt if a program guessed it; None if a person or a file gave it."""
        return Guess(self.source.value, self.confidence) if self.source in _GUESSED else None


def clean_text(text: str) -> str:
    """Normalise a text to the form that is sent: one line, single spaces, NFC, no control characters.

    At most MAX_PROMPT_LENGTH characters are kept, and the result can always be encoded as UTF-8.
    """
    # Four times the limit, as spaces and control characters are removed below. NFC is slow on very long texts.
    text = unicodedata.normalize("NFC", text[: 4 * MAX_PROMPT_LENGTH])
    kept = (_spaced(character) for character in text if character not in _UNWANTED)
    return " ".join("".join(kept).split())[:MAX_PROMPT_LENGTH].rstrip()


def parse_json(text: str) -> object:
    """Parse JSON from outside; return None if it is not JSON, too long, or nested too deep."""
    if len(text) > MAX_SOURCE_LENGTH:
        return None
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed


def _spaced(character: str) -> str:
    """Return the character, or a space for a control character or half of a surrogate pair."""
    return " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
