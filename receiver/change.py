"""Changes with which a picture is drawn again: other words, layers, seed or steps. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codec.layer_numbers import Layer
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream
    from codec.layers import Priors

#: Limit of an edited prompt, in characters.
MAX_PROMPT = 2000

#: Limits of the seed and of denoising steps.
MAX_SEED, MAX_STEPS = 2**32 - 1, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureChange:
    """What differs from the picture as it was sent; None for what stays.

    Bit planes are the picture itself, so other words, seeds or steps draw from lines and colours in their place, as
    `codec.editing` does.

    Attributes:
        layers: draw from these layers only, as far as they have arrived.
        prompt: the words.
        seed: seed of the starting noise, 0 to 2**32 - 1.
        steps: denoising steps, 1 to 1000.

    Raises:
        UsageError: a value is out of range, or no layer is left.
    """

    layers: frozenset[Layer] | None = None
    prompt: str | None = None
    seed: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.layers is not None and not self.layers:
            raise UsageError("a picture is drawn from at least one layer")
        if self.prompt is not None:
            if not 0 < len(self.prompt.strip()) <= len(self.prompt) <= MAX_PROMPT:
                raise UsageError(f"a prompt has 1 to {MAX_PROMPT} characters")
            if self.layers is not None and Layer.SEMANTIC not in self.layers:
                raise UsageError("edited words have no effect without the text layer; draw from it, too")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise UsageError(f"a seed is 0 to {MAX_SEED}, not {self.seed}")
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise UsageError(f"a picture takes 1 to {MAX_STEPS} steps, not {self.steps}")

    @property
    def is_level(self) -> bool:
        """Whether this only leaves out layers, so that the picture is one of the levels as sent."""
        return (self.prompt, self.seed, self.steps) == (None, None, None)

    def apply(self, stream: "Bitstream") -> tuple["Priors", tuple[str, ...]]:
        """Return what to draw from, and notes for a person. Takes tenths of a second: call it in a thread.

        Args:
            stream: the sections that have arrived.

        Raises:
            BitstreamError: the stream does not decode.
            UsageError: the prompt cannot be encoded, or none of the layers has arrived.
        """
        from codec.editing import replace_prompt
        from codec.editing.planes import draw_planes

        before = stream.notes
        if self.prompt is not None:
            stream = replace_prompt(stream, self.prompt)
        if self.seed is not None or self.steps is not None:
            stream = draw_planes(stream)
        priors = stream.decode()
        if self.layers is not None:
            priors = priors.only(self.layers)
        if not priors.layers:
            raise UsageError("none of these layers has arrived")
        return priors, stream.notes[len(before) :]
