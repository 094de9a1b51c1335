"""What a found prompt is, and the bounds on every text that comes from outside."""

import enum
import json
import unicodedata
from dataclasses import dataclass

#: Characters of a prompt that are kept; the coder's budget cuts further.
MAX_PROMPT_LENGTH = 4096

#: Characters of one text out of a picture or prompt file that are looked at (4 Mi).
MAX_SOURCE_LENGTH = 4 << 20

#: Invisible characters that reorder the text around them, or mark a byte order: never part of a prompt.
_UNWANTED = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff")


class PromptSource(enum.StrEnum):
    """Where a prompt was found."""

    GIVEN = "given"
    PROMPTS = "prompts"
    SIDECAR = "sidecar"
    AUTOMATIC1111 = "automatic1111"
    COMFYUI = "comfyui"
    INVOKEAI = "invokeai"
    NOVELAI = "novelai"
    FOOOCUS = "fooocus"
    SWARMUI = "swarmui"
    BLIP = "blip"
    BLIP2 = "blip2"
    MINI = "mini"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class FoundPrompt:
    """A prompt and where it came from.

    Attributes:
        text: the prompt, cleaned by `clean_text`.
        source: where it was found.
    """

    text: str
    source: PromptSource


def clean_text(text: str) -> str:
    """Bring a text into the one form that is sent: one line, single spaces, NFC, no control characters.

    At most MAX_PROMPT_LENGTH characters are kept, and the result can always be encoded as UTF-8.
    """
    # Room for the spaces and controls that fall away below; NFC may be slow on what is endless.
    text = unicodedata.normalize("NFC", text[: 4 * MAX_PROMPT_LENGTH])
    kept = (_spaced(character) for character in text if character not in _UNWANTED)
    return " ".join("".join(kept).split())[:MAX_PROMPT_LENGTH].rstrip()


def parse_json(text: str) -> object:
    """Read JSON from outside; None for anything that is not JSON, too long, or nested too deep."""
    if len(text) > MAX_SOURCE_LENGTH:
        return None
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed


def _spaced(character: str) -> str:
    """The character itself, or a space where it is a control character or half of a surrogate pair."""
    return " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
