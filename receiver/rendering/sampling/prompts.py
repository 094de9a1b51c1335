"""Words -> what the UNet is steered by: embeddings, of prompts of any length, with weights.

Weights are written as people write them, "(red:1.3)", or as compel does, "(red)1.3" and "red++". A prompt that is
longer than the text encoder takes becomes several stretches of embeddings, one after the other.
"""

import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from receiver.rendering.models.model import Model

logger = logging.getLogger(__name__)

#: Prompts whose embeddings are kept.
TEXT_CACHE = 64

#: Stretches of embeddings that a prompt may become; what is longer is cut.
MAX_STRETCHES = 8

_WEIGHTED = re.compile(r"\(([^():]+):\s*(\d*\.?\d+)\)")


@dataclass(frozen=True, eq=False, slots=True)
class Words:
    """An encoded prompt.

    Attributes:
        tokens: (1, tokens, width) embeddings.
        pooled: (1, width) of the whole prompt; None for models that do not ask for it.
    """

    tokens: Tensor
    pooled: Tensor | None = None


class PromptEncoder:
    """Encodes prompts for one model, and remembers them."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._pairs = [(model.tokenizer, model.text_encoder)]
        if model.text_encoder_2 is not None:
            self._pairs.append((model.tokenizer_2, model.text_encoder_2))
        weighted = model.settings.weighted_prompts and find_spec("compel") is not None
        self._weighers = [self._weigher(*pair) for pair in self._pairs] if weighted else []
        self.encode = lru_cache(TEXT_CACHE)(self._encode)

    def pair(self, prompt: str, negative: str | None) -> tuple[Words, Words | None]:
        """A prompt and a negative one, made as long as each other; without a negative one that part is None."""
        words = self.encode(prompt)
        if negative is None:
            return words, None
        against = self.encode(negative)
        if not negative and words.pooled is not None:
            # Stable Diffusion XL was trained with zeros where there were no words.
            against = Words(torch.zeros_like(against.tokens), torch.zeros_like(words.pooled))
        longest = max(words.tokens.shape[1], against.tokens.shape[1])
        return self._lengthen(words, longest), self._lengthen(against, longest)

    def _lengthen(self, words: Words, length: int) -> Words:
        missing = length - words.tokens.shape[1]
        if not missing:
            return words
        empty = self.encode("").tokens
        stretches = [empty] * (missing // empty.shape[1])
        return Words(torch.cat([words.tokens, *stretches], dim=1), words.pooled)

    @torch.inference_mode()
    def _encode(self, prompt: str) -> Words:
        tokens = self._weighted(_WEIGHTED.sub(r"(\1)\2", prompt)) if self._weighers else None
        if tokens is None:
            tokens = torch.cat([self._plain(prompt, *pair)[0] for pair in self._pairs], dim=-1)
        pooled = self._plain(_WEIGHTED.sub(r"\1", prompt), *self._pairs[1])[1] if len(self._pairs) > 1 else None
        return Words(tokens.to(self._model.dtype), pooled)

    def _weighted(self, prompt: str) -> Tensor | None:
        """Embeddings of all of a prompt, with its weights; None if they cannot be understood."""
        try:
            tokens = torch.cat([weigher(prompt) for weigher in self._weighers], dim=-1)
        # Its parser promises no error types, and a prompt is whatever a sender wrote.
        except Exception as error:
            logger.info("the weights in a prompt cannot be understood, it is taken literally: %s", error)
            return None
        return tokens[:, : MAX_STRETCHES * self._model.tokenizer.model_max_length]

    def _plain(self, prompt: str, tokenizer: Any, encoder: Any) -> tuple[Tensor, Tensor | None]:
        """Embeddings without weights, cut to one stretch; and the pooled ones of a projecting encoder."""
        ids = tokenizer(
            prompt,
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        pooling = len(self._pairs) > 1
        output = encoder(ids.to(self._model.device), output_hidden_states=pooling)
        if not pooling:
            return torch.as_tensor(output[0]), None
        return torch.as_tensor(output.hidden_states[-2]), torch.as_tensor(output[0])

    def _weigher(self, tokenizer: Any, encoder: Any) -> Any:
        from compel import Compel, ReturnedEmbeddingsType

        kinds = ReturnedEmbeddingsType
        kind = kinds.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED if len(self._pairs) > 1 else None
        return Compel(
            tokenizer=tokenizer,
            text_encoder=encoder,
            truncate_long_prompts=False,
            returned_embeddings_type=kind or kinds.LAST_HIDDEN_STATES_NORMALIZED,
            device=str(self._model.device),
        )
