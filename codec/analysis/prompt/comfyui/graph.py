"""The nodes of a ComfyUI graph, as its API format has them: {"class_type": ..., "inputs": {...}, ...} by node id."""

import re
from collections.abc import Iterator
from typing import cast

#: Most nodes of a graph; the largest shared workflows have a few hundred.
MAX_NODES = 10_000

#: Inputs of a sampler, or of an equivalent node, that carry its positive conditioning.
POSITIVE = (
    "positive", "guider", "cond1", "conditioning", "text_embeds", "prompt_embeds", "pipe", "basic_pipe", "sdxl_tuple",
)  # fmt: skip

#: Modes of a node that the user switched off: it is left out, or its inputs pass through it.
_MUTED, _BYPASSED = 2, 4

Inputs = dict[str, object]


class Graph:
    """The well-formed nodes of a graph; links to other nodes are ignored, and so are muted nodes.

    Args:
        graph: the parsed JSON, of any shape.

    Attributes:
        inputs: the inputs of each node: a value, or a link [node id, output slot].
        classes: the class of each node, in lower case.
        bypassed: the nodes whose inputs pass through them.
    """

    def __init__(self, graph: object) -> None:
        self.inputs: dict[str, Inputs] = {}
        self.classes: dict[str, str] = {}
        self.bypassed: set[str] = set()
        if not isinstance(graph, dict) or len(graph) > MAX_NODES:
            return
        for name, node in graph.items():
            inputs = node.get("inputs") if isinstance(node, dict) else None
            if not isinstance(inputs, dict) or node.get("mode") == _MUTED:
                continue
            self.inputs[str(name)] = cast(Inputs, inputs)
            self.classes[str(name)] = str(node.get("class_type")).lower()
            if node.get("mode") == _BYPASSED:
                self.bypassed.add(str(name))

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

    def samplers(self) -> list[str]:
        """Return the samplers that lead to an output, the first pass first; all samplers if none does."""
        used = {target for name in self.inputs for _, target in self.links(name)}
        level = [name for name in self.inputs if name not in used]
        # Saved pictures take precedence over previews.
        saving = [name for name in level if "save" in self.classes[name]]
        level = saving or level
        seen: dict[str, None] = {}
        while level:
            fresh = [name for name in dict.fromkeys(level) if name not in seen]
            seen.update(dict.fromkeys(fresh))
            level = [target for name in fresh for _, target in self.links(name)]
        found = [name for name in seen if self._is_sampler(name)]
        return found[::-1] or [name for name in self.inputs if self._is_sampler(name)]

    def prompt_holders(self) -> list[str]:
        """Return nodes that have a prompt of their own without a sampler (remote services, one-node generators)."""
        wanted = [name for name, inputs in self.inputs.items() if isinstance(inputs.get("prompt"), str)]
        positive = [name for name, inputs in self.inputs.items() if "positive" in inputs]
        return [*positive, *wanted]

    def encoders(self) -> list[str]:
        """Return the nodes that encode a text, without those that lead to a negative conditioning."""
        negative = {
            target for name in self.inputs for key, target in self.links(name) if "negative" in key or key == "cond2"
        }
        return [name for name, kind in self.classes.items() if "textencode" in kind and name not in negative]

    def _is_sampler(self, name: str) -> bool:
        inputs = self.inputs[name]
        if name in self.bypassed:
            return False
        if "sampler" in self.classes[name]:
            return any(key in inputs for key in POSITIVE)
        # Samplers with other names (detailers, upscalers, custom nodes) have conditioning and a seed.
        return "positive" in inputs and ("seed" in inputs or "noise_seed" in inputs)


def natural_order(key: str) -> list[tuple[int, str]]:
    """Return a sort key by which `text_2` comes before `text_10`."""
    return [(int(part[:9]), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", key.lower())]
