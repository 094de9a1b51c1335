"""Extract the positive prompt from ComfyUI's node graph, which ComfyUI stores in its pictures (`prompt` chunk).

The search follows links from the node that saves the picture to the samplers, and from a sampler's positive input to
the text:

    SaveImage <- VAEDecode <- KSampler <- positive <- ControlNetApply <- ConditioningCombine <- CLIPTextEncode <- text
"""

import re
from typing import cast

from codec.analysis.prompt.comfyui.graph import POSITIVE, Graph, Inputs, natural_order
from codec.analysis.prompt.comfyui.switch import chosen_input, is_switch

#: Most links between a sampler and a text.
MAX_DEPTH = 100

#: Text inputs of encoders and string nodes, in the order in which an encoder reads them.
_TEXTS = (
    "positive", "positive_prompt", "text_positive", "text_g", "text_l", "clip_g", "clip_l", "t5xxl", "bert", "mt5xl",
    "llama", "populated_text", "wildcard_text", "text", "prompt", "string", "value", "text1", "text2",
)  # fmt: skip

#: Inputs that carry conditioning through a node.
_CONDITIONING = (
    "conditioning", "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from", "positive", "guider",
    "cond1", "text_embeds", "prompt_embeds", "pipe", "basic_pipe",
)  # fmt: skip

#: Inputs that never lead to the positive text.
_ELSEWHERE = frozenset(
    {
        "model", "clip", "vae", "image", "images", "pixels", "latent", "latent_image", "samples", "noise", "sampler",
        "sigmas", "cond2", "control_net", "clip_vision", "clip_vision_output", "style_model", "mask", "seed",
        "delimiter", "separator", "sampler_name", "scheduler", "system_prompt", "instruction", "instructions",
        "filename_prefix", "path", "device", "dtype",
    }
)  # fmt: skip

#: Inputs whose name says that they hold a text, though of no node known here.
_TEXT_NAME = re.compile(r"prompt|text|string|caption|words|description|positive", re.IGNORECASE)

_FILE_NAME = re.compile(r"\.[A-Za-z0-9]{2,11}$")


def read_graph(graph: object) -> str | None:
    """Find the positive prompt of the first sampling pass that leads to the saved picture.

    Args:
        graph: the parsed JSON, of any shape.

    Returns:
        The prompt unchanged; None if there is none, or the JSON is not a graph.
    """
    nodes = Graph(graph)
    for sampler in [*nodes.samplers(), *nodes.prompt_holders()]:
        text = _Search(nodes).find_text(sampler)
        if text.strip():
            return text
    if nodes.samplers():
        return None
    texts = [_Search(nodes).text_of(name) for name in nodes.encoders()]
    return max(filter(str.strip, texts), key=len, default=None)


class _Search:
    """A walk from a sampler to its text; it enters each node once, so it ends in graphs with cycles too."""

    def __init__(self, nodes: Graph) -> None:
        self.nodes = nodes
        self.entered: set[str] = set()

    def find_text(self, sampler: str) -> str:
        inputs = self.nodes.inputs[sampler]
        for key in POSITIVE:
            if text := self._text_of_input(inputs.get(key), 0):
                return text
        prompt = inputs.get("prompt")
        return prompt if isinstance(prompt, str) else ""

    def text_of(self, name: str) -> str:
        return self._text_of_input([name, 0], 0)

    def _text_of_input(self, value: object, depth: int) -> str:
        """Return the text of an input: a string itself, or the text that its link leads to."""
        if isinstance(value, str):
            return value
        name = self.nodes.link(value)
        if name is None or depth > MAX_DEPTH or name in self.entered:
            return ""
        self.entered.add(name)
        slot = cast(list[object], value)[1]
        return self._text_of_node(name, slot, depth)

    def _text_of_node(self, name: str, slot: object, depth: int) -> str:
        inputs, kind = self.nodes.inputs[name], self.nodes.classes[name]
        if "zeroout" in kind and name not in self.nodes.bypassed:
            return ""
        # ControlNet nodes pass on both conditionings: positive in slot 0, negative in slot 1.
        if slot == 1 and self.nodes.link(inputs.get("negative")) and self.nodes.link(inputs.get("positive")):
            return self._text_of_input(inputs["negative"], depth + 1)
        if name in self.nodes.bypassed:
            return self._first_text(inputs, depth)
        if is_switch(kind) and (chosen := chosen_input(self.nodes, name)) is not None:
            return self._text_of_input(inputs[chosen], depth + 1)
        if any(word in kind for word in ("concat", "join", "append", "combine")) and "conditioning" not in kind:
            return self._join_texts(inputs, depth)
        for keys, separator in ((_TEXTS, ", "), (_CONDITIONING, ", ")):
            texts = _distinct([self._text_of_input(inputs.get(key), depth + 1) for key in keys if key in inputs])
            if texts:
                return separator.join(texts)
        return self._first_text(inputs, depth) or _longest_literal(inputs)

    def _join_texts(self, inputs: Inputs, depth: int) -> str:
        """Join the texts of a string node in the order of their names."""
        glue = next((inputs[key] for key in ("delimiter", "separator") if isinstance(inputs.get(key), str)), " ")
        names = ("text", "string", "str", "prompt", "input", "value")
        keys = sorted((key for key in inputs if key.lower().startswith(names)), key=natural_order)
        keys = keys or sorted((key for key in inputs if _may_lead(key)), key=natural_order)
        texts = [self._text_of_input(inputs[key], depth + 1) for key in keys]
        return str(glue).replace("\\n", "\n").join(text for text in texts if text)

    def _first_text(self, inputs: Inputs, depth: int) -> str:
        """Return the first text that a link leads to: for reroutes, switches and unknown nodes."""
        for key, value in inputs.items():
            if _may_lead(key) and self.nodes.link(value) and (text := self._text_of_input(value, depth + 1)):
                return text
        return ""


def _may_lead(key: str) -> bool:
    """Return whether an input of this name may lead to the positive text."""
    key = key.lower()
    return key not in _ELSEWHERE and "negative" not in key and not key.startswith("neg_")


def _longest_literal(inputs: Inputs) -> str:
    """Return the longest text among the values of a node that is not known here; settings and file names are none."""
    texts = [
        value
        for key, value in inputs.items()
        if isinstance(value, str) and _may_lead(key) and not _FILE_NAME.search(value.strip())
        if _TEXT_NAME.search(key) or " " in value.strip() or not value.isascii()
    ]
    return max(texts, key=len, default="")


def _distinct(texts: list[str]) -> list[str]:
    """Return the texts without blank ones and without those that another text contains."""
    texts = list(dict.fromkeys(text.strip(" \n") for text in texts))
    return [text for text in texts if text and not any(text in other for other in texts if other != text)]
