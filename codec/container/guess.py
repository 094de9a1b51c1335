"""Marks a prompt that no person wrote: which program guessed it, and how sure it is.

1 byte: source (4 bits), confidence (4 bits): 0 if it is unknown, else 1 to 15 for 0 to 1
"""

from dataclasses import dataclass

from layercast_common.errors import UsageError

#: Sources as they are sent. A number never changes its meaning; unlisted numbers are named "#number".
SOURCES = {1: "blip", 2: "blip2", 3: "mini", 4: "measured"}

#: Steps of the confidence.
_STEPS = 14

_NUMBERS = {name: number for number, name in SOURCES.items()} | {
    f"#{number}": number for number in range(16) if number not in SOURCES
}


@dataclass(frozen=True, slots=True)
class Guess:
    """The origin of a guessed prompt.

    Attributes:
        source: "blip", "blip2" or "mini" (captioning models), "measured" (brightness and colours only), or "#" and a
            number for a source of a later version.
        confidence: estimated probability that the prompt is right, 0 to 1, in steps of 1/14; None if it is unknown.

    Raises:
        UsageError: the source is unknown, or the confidence is out of range.
    """

    source: str
    confidence: float | None = None

    def __post_init__(self) -> None:
        if self.source not in _NUMBERS:
            raise UsageError(
                f"no program that guesses prompts is called {self.source!r}; there are {', '.join(_NUMBERS)}"
            )
        if self.confidence is None:
            return
        if not 0 <= self.confidence <= 1:
            raise UsageError(f"a confidence is 0 to 1, not {self.confidence}")
        # What is sent and what was set are the same value.
        object.__setattr__(self, "confidence", round(self.confidence * _STEPS) / _STEPS)

    def to_byte(self) -> int:
        """Return the encoded mark."""
        steps = 0 if self.confidence is None else 1 + round(self.confidence * _STEPS)
        return _NUMBERS[self.source] << 4 | steps

    @classmethod
    def from_byte(cls, byte: int) -> "Guess":
        """Decode a mark; every byte is one."""
        number, steps = byte >> 4, byte & 15
        return cls(SOURCES.get(number, f"#{number}"), None if not steps else (steps - 1) / _STEPS)

    def describe(self) -> str:
        """Describe the mark to a person, as "guessed by mini, 10 % sure"."""
        if self.source == "measured":
            return "measured: brightness and colours only"
        sure = "" if self.confidence is None else f", {100 * self.confidence:.0f} % sure"
        return f"guessed by {self.source}{sure}"
