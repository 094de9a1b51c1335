"""Text encoders without their last layers (clip skip): some models were trained on the layers before."""

from typing import Any


def shorten(encoder: Any, skip: int) -> None:
    """Remove the last layers of a text encoder that is read after its final norm, in place.

    Args:
        encoder: transformers' `CLIPTextModel`.
        skip: layers to remove.
    """
    if skip:
        # Before transformers 5.6 the model was in an attribute of its own.
        inner = getattr(encoder, "text_model", encoder).encoder
        inner.layers = inner.layers[:-skip]


class ShortenedEncoder:
    """Replaces a text encoder that is read before its final norm: the last hidden states are left out.

    What it pools from the whole prompt still comes from all its layers.
    """

    def __init__(self, encoder: Any, skip: int) -> None:
        self._encoder = encoder
        self._skip = skip

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Run the encoder."""
        output = self._encoder(*inputs, **named)
        if self._skip and output.hidden_states is not None:
            output.hidden_states = output.hidden_states[: -self._skip]
        return output
