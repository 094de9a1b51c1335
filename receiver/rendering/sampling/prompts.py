"""Prompts -> text embeddings for the UNet, with weights and of any length.

Weights are read by `prompt_weights`. A prompt that is longer than the text encoder's input becomes several chunks of
embeddings, one after the other. A language model, as diffusion transformers have, reads prompts literally.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from receiver.rendering.models.model import Model
from receiver.rendering.models.text_encoders import ShortenedEncoder
from receiver.rendering.sampling.prompt_weights import to_compel, without_weights

_log = logging.getLogger(__name__)

#: Prompts whose embeddings are cached.
TEXT_CACHE = 64

#: Most chunks of embeddings of a prompt; the rest is cut off.
MAX_CHUNKS = 8

#: Most tokens that a diffusion transformer's text encoder reads, as in diffusers' pipeline.
MAX_TOKENS = 512


@dataclass(frozen=True, eq=False, slots=True)
class EncodedPrompt:
    """An encoded prompt.

    Attributes:
        tokens: (1, tokens, width) embeddings.
        pooled: (1, width) of the whole prompt, for models with two text encoders; else None.
    """

    tokens: Tensor
    pooled: Tensor | None = None


class PromptEncoder:
    """Encodes prompts for one model, with a cache."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._pairs = [(model.tokenizer, model.text_encoder)]
        if model.text_encoder_2 is not None:
            # With one encoder, the loader has removed the layers that are left out.
            pairs = ((model.tokenizer, model.text_encoder), (model.tokenizer_2, model.text_encoder_2))
            self._pairs = [(tokenizer, ShortenedEncoder(part, model.settings.clip_skip)) for tokenizer, part in pairs]
        weighted = model.settings.weighted_prompts and find_spec("compel") is not None
        self._weighted_encoders = [self._make_weighted_encoder(*pair) for pair in self._pairs] if weighted else []
        self.encode = lru_cache(TEXT_CACHE)(self._encode_uncached)

    def encode_pair(self, prompt: str, negative: str | None) -> tuple[EncodedPrompt, EncodedPrompt | None]:
        """Encode a prompt and a negative prompt to the same length; without a negative prompt the second is None."""
        positive = self.encode(prompt)
        if negative is None:
            return positive, None
        encoded = self.encode(negative)
        if not negative and positive.pooled is not None and self._model.zero_empty_prompt:
            # Stable Diffusion XL was trained with zeros for an empty prompt; models made from it need not be.
            encoded = EncodedPrompt(torch.zeros_like(encoded.tokens), torch.zeros_like(positive.pooled))
        longest = max(positive.tokens.shape[1], encoded.tokens.shape[1])
        return self._pad(positive, longest), self._pad(encoded, longest)

    def _pad(self, encoded: EncodedPrompt, length: int) -> EncodedPrompt:
        missing = length - encoded.tokens.shape[1]
        if not missing:
            return encoded
        empty = self.encode("").tokens
        chunks = [empty] * (missing // empty.shape[1])
        return EncodedPrompt(torch.cat([encoded.tokens, *chunks], dim=1), encoded.pooled)

    @torch.inference_mode()
    def _encode_uncached(self, prompt: str) -> EncodedPrompt:
        if self._model.is_transformer:
            return EncodedPrompt(self._encode_chat(prompt).to(self._model.dtype))
        tokens = self._encode_weighted(to_compel(prompt)) if self._weighted_encoders else None
        if tokens is None:
            tokens = torch.cat([self._encode_plain(prompt, *pair)[0] for pair in self._pairs], dim=-1)
        words = without_weights(prompt) if self._weighted_encoders else prompt
        pooled = self._encode_plain(words, *self._pairs[1])[1] if len(self._pairs) > 1 else None
        return EncodedPrompt(tokens.to(self._model.dtype), pooled)

    def _encode_weighted(self, prompt: str) -> Tensor | None:
        """Encode a whole prompt with its weights; None if the weights cannot be parsed."""
        try:
            tokens = torch.cat([encoder(prompt) for encoder in self._weighted_encoders], dim=-1)
        # Compel documents no error types, and the prompt is untrusted input.
        except Exception as error:
            _log.info("the weights in a prompt cannot be parsed; using it literally: %s", error)
            return None
        return tokens[:, : MAX_CHUNKS * self._model.tokenizer.model_max_length]

    def _encode_plain(self, prompt: str, tokenizer: Any, encoder: Any) -> tuple[Tensor, Tensor | None]:
        """Encode without weights, truncated to one chunk; the second result is pooled, of an encoder that projects."""
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

    def _encode_chat(self, prompt: str) -> Tensor:
        """Encode a prompt as a question to a language model; the embeddings are as many as its tokens."""
        tokenizer = self._model.tokenizer
        message = [{"role": "user", "content": prompt}]
        asked = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True, enable_thinking=True)
        inputs = tokenizer(
            [asked], padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
        ).to(self._model.device)
        mask = inputs.attention_mask.bool()
        output = self._model.text_encoder(input_ids=inputs.input_ids, attention_mask=mask, output_hidden_states=True)
        return torch.as_tensor(output.hidden_states[-2])[mask][None]

    def _make_weighted_encoder(self, tokenizer: Any, encoder: Any) -> Any:
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
