"""Extract the positive prompt from ComfyUI's node graph, which ComfyUI stores in its pictures (`prompt` chunk).

A node is {"class_type": ..., "inputs": {...}}; an input is a value, or a link [node id, output slot]. The search
follows links from the node that saves the picture to the samplers, and from a sampler's positive input to the text:

    SaveImage <- VAEDecode <- KSampler <- positive <- ControlNetApply <- ConditioningCombine <- CLIPTextEncode <- text
"""

from collections.abc import Iterator
from typing import cast

#: Most nodes of a graph; the largest shared workflows have a few hundred.
MAX_NODES = 10_000

#: Most links between a sampler and a text.
MAX_DEPTH = 100

#: Inputs of a sampler, or of an equivalent node, that carry its positive conditioning.
_POSITIVE = ("positive", "guider", "cond1", "conditioning", "pipe", "basic_pipe", "sdxl_tuple")

#: Text inputs of encoders and string nodes, in the order in which an encoder reads them.
_TEXTS = (
    "positive", "positive_prompt", "text_positive", "text_g", "text_l", "clip_g", "clip_l", "t5xxl", "bert", "mt5xl",
    "llama", "populated_text", "wildcard_text", "text", "prompt", "string", "value", "text1", "text2",
)  # fmt: skip

#: Inputs that carry conditioning through a node.
_CONDITIONING = (
    "conditioning", "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from", "positive", "guider",
    "cond1", "pipe", "basic_pipe",
)  # fmt: skip

#: Inputs that never lead to the positive text.
_ELSEWHERE = frozenset(
    {
        "model", "clip", "vae", "image", "images", "pixels", "latent", "latent_image", "samples", "noise", "sampler",
        "sigmas", "negative", "negative_prompt", "text_negative", "cond2", "control_net", "clip_vision",
        "clip_vision_output", "style_model", "mask", "seed", "delimiter", "separator",
    }
)  # fmt: skip

_Inputs = dict[str, object]


def read_graph(graph: object) -> str | None:
    """Find the positive prompt of the first sampling pass that leads to the saved picture.

    Args:
        graph: the parsed JSON, of any shape.

    Returns:
        The prompt unchanged; None if there is none, or the JSON is not a graph.
    """
    nodes = _Nodes(graph)
    for sampler in [*_samplers(nodes), *nodes.prompt_holders()]:
        text = _Search(nodes).find_text(sampler)
        if text.strip():
            return text
    return None


class _Nodes:
    """The well-formed nodes of a graph; links to other nodes are ignored."""

    def __init__(self, graph: object) -> None:
        self.inputs: dict[str, _Inputs] = {}
        self.classes: dict[str, str] = {}
        if not isinstance(graph, dict) or len(graph) > MAX_NODES:
            return
        for name, node in graph.items():
            inputs = node.get("inputs") if isinstance(node, dict) else None
            if isinstance(inputs, dict):
                self.inputs[name] = cast(_Inputs, inputs)
                self.classes[name] = str(node.get("class_type"))

    def link(self, value: object) -> str | None:
        """Return the target of a link, or None if the value is not a link to an existing node."""
        if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str | int):
            return None
        name = str(value[0])
        return name if name in self.inputs else None

    def links(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield (input, target node) for each input of a node that is a link."""
        for key, value in self.inputs[name].items():
            if (target := self.link(value)) is not None:
                yield key, target

    def is_sampler(self, name: str) -> bool:
        inputs = self.inputs[name]
        if "sampler" in self.classes[name].lower():
            return any(key in inputs for key in _POSITIVE)
        # Samplers with other names (detailers, upscalers, custom nodes) have conditioning and a seed.
        return "positive" in inputs and ("seed" in inputs or "noise_seed" in inputs)

    def prompt_holders(self) -> list[str]:
        """Return nodes that have a prompt of their own without a sampler (remote services, one-node generators)."""
        wanted = [name for name, inputs in self.inputs.items() if isinstance(inputs.get("prompt"), str)]
        positive = [name for name, inputs in self.inputs.items() if "positive" in inputs]
        return [*positive, *wanted]


def _samplers(nodes: _Nodes) -> list[str]:
    """Return the samplers that lead to an output, the first pass first; all samplers if none does."""
    used = {target for name in nodes.inputs for _, target in nodes.links(name)}
    level = [name for name in nodes.inputs if name not in used]
    # Saved pictures take precedence over previews.
    saving = [name for name in level if "save" in nodes.classes[name].lower()]
    level = saving or level
    seen: dict[str, None] = {}
    while level:
        fresh = [name for name in dict.fromkeys(level) if name not in seen]
        seen.update(dict.fromkeys(fresh))
        level = [target for name in fresh for _, target in nodes.links(name)]
    found = [name for name in seen if nodes.is_sampler(name)]
    return found[::-1] or [name for name in nodes.inputs if nodes.is_sampler(name)]


class _Search:
    """A walk from a sampler to its text; it enters each node once, so it ends in graphs with cycles too."""

    def __init__(self, nodes: _Nodes) -> None:
        self.nodes = nodes
        self.entered: set[str] = set()

    def find_text(self, sampler: str) -> str:
        inputs = self.nodes.inputs[sampler]
        for key in _POSITIVE:
            if text := self._text_of_input(inputs.get(key), 0):
                return text
        prompt = inputs.get("prompt")
        return prompt if isinstance(prompt, str) else ""

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
        inputs, kind = self.nodes.inputs[name], self.nodes.classes[name].lower()
        if "zeroout" in kind:
            return ""
        # ControlNet nodes pass on both conditionings: positive in slot 0, negative in slot 1.
        if slot == 1 and self.nodes.link(inputs.get("negative")) and self.nodes.link(inputs.get("positive")):
            return self._text_of_input(inputs["negative"], depth + 1)
        if any(word in kind for word in ("concat", "join", "append")) and "conditioning" not in kind:
            return self._join_texts(inputs, depth)
        for keys, separator in ((_TEXTS, ", "), (_CONDITIONING, ", ")):
            texts = _distinct([self._text_of_input(inputs.get(key), depth + 1) for key in keys if key in inputs])
            if texts:
                return separator.join(texts)
        return self._first_text(inputs, depth)

    def _join_texts(self, inputs: _Inputs, depth: int) -> str:
        """Join the texts of a string node in the order of their names."""
        glue = next((inputs[key] for key in ("delimiter", "separator") if isinstance(inputs.get(key), str)), " ")
        keys = sorted(key for key in inputs if key.lower().startswith(("text", "string", "str", "prompt", "input")))
        texts = [self._text_of_input(inputs[key], depth + 1) for key in keys]
        return str(glue).replace("\\n", "\n").join(text for text in texts if text)

    def _first_text(self, inputs: _Inputs, depth: int) -> str:
        """Return the first text that a link leads to: for reroutes, switches and unknown nodes."""
        for key, value in inputs.items():
            if (
                key.lower() not in _ELSEWHERE
                and self.nodes.link(value)
                and (text := self._text_of_input(value, depth + 1))
            ):
                return text
        return ""


def _distinct(texts: list[str]) -> list[str]:
    """Return the texts without blank ones and without those that another text contains."""
    texts = list(dict.fromkeys(text.strip(" \n") for text in texts))
    return [text for text in texts if text and not any(text in other for other in texts if other != text)]
